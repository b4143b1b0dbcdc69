#!/bin/sh
# One of the servers that prometheus.yml scrapes, on 127.0.0.1.
set -eu

usage='usage: start-server.sh shard|cache-server PORT'
mode=${1:?$usage}
port=${2:?$usage}
: "${DIRECTORY:=/tmp/kcp-example}"

# Tokens are for shards: a cache server knows certificates only.
tokens=
if [ "$mode" = shard ]; then tokens=--token-auth-file=$DIRECTORY/credentials/tokens.csv; fi

exec node "$(dirname "$0")/../../dist/cli/main.js" start \
  --mode="$mode" \
  --bind-address=127.0.0.1 \
  --secure-port="$port" \
  --tls-cert-file="$DIRECTORY/credentials/server.crt" \
  --tls-private-key-file="$DIRECTORY/credentials/server.key" \
  --client-ca-file="$DIRECTORY/credentials/ca.crt" \
  ${tokens:+"$tokens"} \
  --rbac-dir="$DIRECTORY/rbac"
