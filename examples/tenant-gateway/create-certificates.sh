#!/bin/sh
# Adds the certificates of this example to a directory of examples/credentials/create-credentials.sh: the gateway's own,
# and those of its tenants' scrapers. They last 30 days: nothing to use in earnest.
set -eu

cd "${1:?usage: create-certificates.sh DIRECTORY}"
umask 077

# openssl narrates its work on stderr; that matters only when it fails.
quietly() {
  said=$("$@" 2>&1) || {
    printf '%s\n' "$said" >&2
    exit 1
  }
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/request.cnf" <<'END'
[req]
distinguished_name = subject
[subject]
[clientAuth]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
END

issue() { # NAME SUBJECT
  quietly openssl req -new -config "$work/request.cnf" -subj "$2" -nodes \
    -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout "$1.key" -out "$work/$1.csr"
  quietly openssl x509 -req -in "$work/$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial \
    -CAserial "$work/serial" -days 30 -sha256 -extfile "$work/request.cnf" -extensions clientAuth -out "$1.crt"
}

issue gateway /CN=tenant-gateway
# CN is the user's name, each O a group. The tenants' scrapers may have one name.
issue acme /O=tenants/O=tenant:acme/CN=prometheus
issue globex /O=tenants/O=tenant:globex/CN=prometheus
issue nobody /O=tenants/CN=prometheus
