#!/bin/sh
# Adds to a directory of examples/credentials/create-credentials.sh what a control plane would have: the key pair that signs
# the tokens of service accounts, and the token of the account `prometheus` in the namespace `monitoring` of the workspace
# 1wiki. It lasts 30 days: nothing to use in earnest.
set -eu

cd "${1:?usage: create-token.sh DIRECTORY}"
umask 077

# openssl narrates its work on stderr; that matters only when it fails.
said=$(openssl genpkey -algorithm RSA -out service-account.key 2>&1) || {
  printf '%s\n' "$said" >&2
  exit 1
}
openssl pkey -in service-account.key -pubout -out service-account.pub

base64url() {
  openssl base64 -A | tr '+/' '-_' | tr -d '='
}

now=$(date +%s)
header=$(printf '{"alg":"RS256"}' | base64url)
claims=$(
  base64url <<END
{
  "iss": "https://kubernetes.default.svc",
  "aud": ["https://kubernetes.default.svc"],
  "sub": "system:serviceaccount:monitoring:prometheus",
  "iat": $now,
  "exp": $((now + 30 * 24 * 3600)),
  "kubernetes.io": {
    "clusterName": "1wiki",
    "namespace": "monitoring",
    "serviceaccount": { "name": "prometheus", "uid": "1" }
  }
}
END
)
signature=$(printf '%s.%s' "$header" "$claims" | openssl dgst -sha256 -sign service-account.key -binary | base64url)
printf '%s.%s.%s' "$header" "$claims" "$signature" >wiki.token
