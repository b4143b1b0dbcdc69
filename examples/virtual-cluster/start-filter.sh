#!/bin/sh
# The filter of the virtual cluster team-a, on 127.0.0.1: host metrics for its owner, under the owner's names.
set -eu

: "${DIRECTORY:=/tmp/kcp-example}"
: "${UPSTREAM:=http://127.0.0.1:8080/metrics}"
: "${SECURE_PORT:=6446}"

# Only metrics that have the label namespace are kept: a series without it belongs to the host.
exec node "$(dirname "$0")/../../dist/cli/main.js" start \
  --bind-address=127.0.0.1 \
  --secure-port="$SECURE_PORT" \
  --tls-cert-file="$DIRECTORY/credentials/server.crt" \
  --tls-private-key-file="$DIRECTORY/credentials/server.key" \
  --service-account-key-file="$DIRECTORY/virtual-cluster/sa.pub" \
  --service-account-issuer=https://team-a.example.org \
  --anonymous-auth=false \
  --rbac-dir="$DIRECTORY/virtual-cluster/rbac" \
  --bootstrap-policy=false \
  --upstream="$UPSTREAM" \
  --keep-metrics='container_*' \
  --drop-metrics='container_start_time_seconds' \
  --drop-labels=node \
  --label-mapping-file="$DIRECTORY/virtual-cluster/names.yaml" \
  --max-series=10000
