#!/usr/bin/env bash
# prom-client 15.1.3 writes a value of a Pushgateway's grouping into the URL with its slashes as %2F. Pushgateway (1.5.1, as
# Debian 12 has it) decodes the path before it splits it, and wants base64 there: what follows a slash becomes more labels
# and their values. A push with two slashes succeeds, under other labels than the program named, and replaces what stood
# there; one with a single slash is refused. Python's prometheus-client 0.26.0 sends the same value as base64.
#
# Seen:
#   prom-client, image registry/team/app: pushed
#   prom-client, image registry/app: push failed with status 400, odd number of components in label string "/image/registry/app"
#   node_success{image="registry",instance="",job="backup",team="app"} 1
#   python_success{image="registry/team/app",instance="",job="backup"} 1
set -euo pipefail
folder=$(mktemp -d)
started=()
trap '[[ ${#started[@]} == 0 ]] || kill "${started[@]}"; wait; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq prometheus-pushgateway=1.5.1-2+b5 2>apt.log || { cat apt.log && exit 1; }
dpkg -x prometheus-pushgateway_*.deb .
printf '{"private":true,"type":"module"}\n' >package.json
npm install --no-audit --no-fund --silent prom-client@15.1.3
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check prometheus-client==0.26.0
cat >push.mjs <<'EOF'
import { Gauge, Pushgateway, Registry } from 'prom-client';

const registry = new Registry();
new Gauge({ name: 'node_success', help: 'Whether it succeeded.', registers: [registry] }).set(1);
const gateway = new Pushgateway('http://127.0.0.1:29091', {}, registry);
for (const image of ['registry/team/app', 'registry/app']) {
  const said = await gateway.push({ jobName: 'backup', groupings: { image } }).then(
    () => 'pushed',
    error => error.message.trim(),
  );
  console.log(`prom-client, image ${image}: ${said}`);
}
EOF
cat >push.py <<'EOF'
from prometheus_client import CollectorRegistry, Gauge, push_to_gateway

registry = CollectorRegistry()
Gauge("python_success", "Whether it succeeded.", registry=registry).set(1)
push_to_gateway("127.0.0.1:29091", job="backup", grouping_key={"image": "registry/team/app"}, registry=registry)
EOF
usr/bin/prometheus-pushgateway --persistence.file= --web.listen-address=127.0.0.1:29091 2>pushgateway.log &
started+=($!)
curl -sf --retry 30 --retry-connrefused --retry-delay 1 http://127.0.0.1:29091/-/ready >ready
node push.mjs >seen
venv/bin/python push.py
curl -s http://127.0.0.1:29091/metrics | grep _success{ >>seen
cat seen
diff seen - <<'EOF'
prom-client, image registry/team/app: pushed
prom-client, image registry/app: push failed with status 400, odd number of components in label string "/image/registry/app"
node_success{image="registry",instance="",job="backup",team="app"} 1
python_success{image="registry/team/app",instance="",job="backup"} 1
EOF
echo 'still so'
