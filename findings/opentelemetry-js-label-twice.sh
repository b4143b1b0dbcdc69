#!/usr/bin/env bash
# @opentelemetry/exporter-prometheus 0.223.0: two attributes of one measurement that differ only in a character no label name
# may have, as http.method and http_method do while names are changed over, are written as one label twice. OpenTelemetry's
# rules for Prometheus have their values joined with ";". Prometheus (2.42, as Debian 12 has it; 3.16 does the same) refuses
# the whole scrape for that one series: the target is down, and all other metrics of the process are lost with it.
#
# Seen:
#   requests_total{http_method="GET",http_method="GET"} 1
#   down: label name "http_method" is not unique: invalid sample
set -euo pipefail
folder=$(mktemp -d)
started=()
trap '[[ ${#started[@]} == 0 ]] || kill "${started[@]}"; wait; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq prometheus=2.42.0+ds-5+deb12u1 2>apt.log || { cat apt.log && exit 1; }
dpkg -x prometheus_*.deb .
printf '{"private":true,"type":"module"}\n' >package.json
npm install --no-audit --no-fund --silent @opentelemetry/exporter-prometheus@0.223.0 @opentelemetry/sdk-metrics@2.12.1
cat >serve.mjs <<'EOF'
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';

const exporter = new PrometheusExporter({ host: '127.0.0.1', port: 29103, withoutScopeInfo: true });
const meter = new MeterProvider({ readers: [exporter] }).getMeter('web');
meter.createCounter('requests').add(1, { 'http.method': 'GET', http_method: 'GET' });
meter.createCounter('jobs').add(1);
setTimeout(() => {}, 60_000); // the exporter's own server keeps no process running
EOF
cat >prometheus.yml <<'EOF'
global: { scrape_interval: 1s }
scrape_configs:
  - { job_name: web, static_configs: [{ targets: ['127.0.0.1:29103'] }] }
EOF
node serve.mjs &
started+=($!)
curl -sf --retry 30 --retry-connrefused --retry-delay 1 http://127.0.0.1:29103/metrics >exposition
usr/bin/prometheus --config.file=prometheus.yml --storage.tsdb.path=data --web.listen-address=127.0.0.1:29090 2>prometheus.log &
started+=($!)
for _ in {1..30}; do
  if curl -sf http://127.0.0.1:29090/api/v1/targets >targets && grep -qE '"health":"(up|down)"' targets; then break; fi
  sleep 1
done
{
  grep ^requests_total exposition
  node -p "const [target] = JSON.parse(require('fs').readFileSync('targets')).data.activeTargets;
    target.health + ': ' + target.lastError"
} >seen
cat seen
diff seen - <<'EOF'
requests_total{http_method="GET",http_method="GET"} 1
down: label name "http_method" is not unique: invalid sample
EOF
echo 'still so'
