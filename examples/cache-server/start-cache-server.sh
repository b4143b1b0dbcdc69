#!/bin/sh
# A cache server's /metrics, configured by flags alone. Each value can be set in the environment.
set -eu

: "${CONFIG_DIR:=/etc/kcp-metrics-filter}"
: "${BIND_ADDRESS:=127.0.0.1}"
: "${SECURE_PORT:=6443}"
: "${TLS_CERT_FILE:=$CONFIG_DIR/server.crt}"
: "${TLS_PRIVATE_KEY_FILE:=$CONFIG_DIR/server.key}"
: "${CLIENT_CA_FILE:=$CONFIG_DIR/ca.crt}"
: "${LOG_LEVEL:=info}"
# Without the colon: set but empty allows no path to everybody, not even health.
: "${ALWAYS_ALLOW_PATHS=/healthz,/readyz,/livez}"

# May be several words, such as `node dist/cli/main.js`.
# shellcheck disable=SC2086
exec ${KCP_METRICS_FILTER:-kcp-metrics-filter} start \
  --mode=cache-server \
  --bind-address="$BIND_ADDRESS" \
  --secure-port="$SECURE_PORT" \
  --tls-cert-file="$TLS_CERT_FILE" \
  --tls-private-key-file="$TLS_PRIVATE_KEY_FILE" \
  --client-ca-file="$CLIENT_CA_FILE" \
  --authorization-always-allow-paths="$ALWAYS_ALLOW_PATHS" \
  --log-level="$LOG_LEVEL"
