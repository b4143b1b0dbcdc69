#!/bin/sh
# Writes throwaway credentials for the other examples into a directory: one authority, the certificates it
# issued, and a bearer token. They last 30 days and are on no revocation list: nothing to use in earnest.
set -eu

directory=${1:?usage: create-credentials.sh DIRECTORY}
umask 077
mkdir -p "$directory"
cd "$directory"

# openssl narrates its work on stderr; that matters only when it fails.
quietly() {
  said=$("$@" 2>&1) || {
    printf '%s\n' "$said" >&2
    exit 1
  }
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# In place of the system's openssl.cnf, whose defaults differ from one distribution to the next.
cat >"$work/request.cnf" <<'END'
[req]
distinguished_name = subject
[subject]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[serverAuth]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
[clientAuth]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
END

create_request() { # NAME SUBJECT
  quietly openssl req -new -config "$work/request.cnf" -subj "$2" -nodes \
    -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout "$1.key" -out "$work/$1.csr"
}

issue() { # NAME SUBJECT USAGE
  create_request "$1" "$2"
  quietly openssl x509 -req -in "$work/$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial \
    -CAserial "$work/serial" -days 30 -sha256 -extfile "$work/request.cnf" -extensions "$3" -out "$1.crt"
}

create_request ca /CN=example-ca
quietly openssl x509 -req -in "$work/ca.csr" -signkey ca.key -days 30 -sha256 \
  -extfile "$work/request.cnf" -extensions authority -out ca.crt

# CN is the user's name, each O a group.
issue server /CN=localhost serverAuth
issue admin /O=system:masters/CN=shard-admin clientAuth
issue prometheus /CN=prometheus clientAuth
issue alice /O=oncall/CN=alice clientAuth
issue bob /CN=bob clientAuth
issue carol /CN=carol clientAuth
issue mallory /CN=mallory clientAuth

# The token for the scraper, and the same token for the server, with the user it stands for.
# Without a line feed behind it, which Telegraf would send.
printf '%s' "$(openssl rand -hex 32)" >prometheus.token
printf '%s,prometheus,prometheus-uid\n' "$(cat prometheus.token)" >tokens.csv
