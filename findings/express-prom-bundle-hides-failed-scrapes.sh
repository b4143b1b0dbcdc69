#!/usr/bin/env bash
# express-prom-bundle 8.0.0 serves a gauge "up", always 1, unless told includeUp: false. Prometheus (2.42, as Debian 12 has it;
# 3.16 does the same) writes a series of that very name and labels for each scrape, 0 if it failed. The two are one series:
# at a failed scrape Prometheus first ends what was served with a staleness marker, and its own 0, of the same
# millisecond, is dropped as a duplicate. The first failure after a success thus never counts, and a target that fails
# every other scrape has no 0 at all: "up == 0" never fires, and the mean of up is 1.
#
# Seen, of two such targets, the least value in a minute:
#   includeUp: true: up 1, scrape_samples_scraped 0
#   includeUp: false: up 0, scrape_samples_scraped 0
set -euo pipefail
folder=$(mktemp -d)
started=()
trap '[[ ${#started[@]} == 0 ]] || kill "${started[@]}"; wait; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq prometheus=2.42.0+ds-5+deb12u1 2>apt.log || { cat apt.log && exit 1; }
dpkg -x prometheus_*.deb .
printf '{"private":true,"type":"module"}\n' >package.json
npm install --no-audit --no-fund --silent express@5.3.0 express-prom-bundle@8.0.0 prom-client@15.1.3
cat >serve.mjs <<'EOF'
import express from 'express';
import bundle from 'express-prom-bundle';
import { Registry } from 'prom-client';

for (const [port, includeUp] of [[29101, undefined], [29102, false]]) {
  const app = express();
  let scrapes = 0;
  app.use((request, response, next) => (scrapes++ % 2 ? response.sendStatus(503) : next()));
  app.use(bundle({ includeUp, promRegistry: new Registry() }));
  app.listen(port, '127.0.0.1');
}
EOF
cat >prometheus.yml <<'EOF'
global: { scrape_interval: 1s }
scrape_configs:
  - { job_name: 'true', static_configs: [{ targets: ['127.0.0.1:29101'] }] }
  - { job_name: 'false', static_configs: [{ targets: ['127.0.0.1:29102'] }] }
EOF
node serve.mjs &
started+=($!)
usr/bin/prometheus --config.file=prometheus.yml --storage.tsdb.path=data --web.listen-address=127.0.0.1:29090 2>prometheus.log &
started+=($!)
ask() {
  curl -sG http://127.0.0.1:29090/api/v1/query --data-urlencode "query=$1" |
    sed -n 's/.*"value":\[[^,]*,"\([^"]*\)"\].*/\1/p'
}
least() { ask "min_over_time($1{job=\"$2\"}[1m])"; }
for _ in {1..60}; do
  if [[ $(ask 'min(count_over_time(scrape_samples_scraped[1m])) >= bool 8') == 1 ]]; then break; fi
  sleep 1
done
for include in true false; do
  printf 'includeUp: %s: up %s, scrape_samples_scraped %s\n' \
    "$include" "$(least up "$include")" "$(least scrape_samples_scraped "$include")"
done >seen
cat seen
diff seen - <<'EOF'
includeUp: true: up 1, scrape_samples_scraped 0
includeUp: false: up 0, scrape_samples_scraped 0
EOF
echo 'still so'
