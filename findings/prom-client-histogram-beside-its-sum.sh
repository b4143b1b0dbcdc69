#!/usr/bin/env bash
# prom-client 15.1.3 refuses a metric whose name is taken, but not one whose name a histogram in the same registry
# writes: beside Histogram "lat", a Gauge "lat_sum" is registered without a word, and the exposition holds the series
# lat_sum twice with two values. prometheus/common v0.74.0 (promtool check metrics, controllers) refuses that
# exposition whole, with a message that names the histogram instead: "second HELP line for metric name "lat"".
#
# Seen:
#   lat_sum 1
#   lat_sum 7
#   text format parsing error in line 8: second HELP line for metric name "lat"
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder" && rm -rf "$folder"' EXIT
cd "$folder"
printf '{"private":true,"type":"module"}\n' >package.json
npm install --no-audit --no-fund --silent prom-client@15.1.3
cat >render.mjs <<'EOF'
import { writeFileSync } from 'node:fs';
import { Gauge, Histogram, Registry } from 'prom-client';

const registry = new Registry();
new Histogram({ name: 'lat', help: 'Latency.', buckets: [1], registers: [registry] }).observe(1);
new Gauge({ name: 'lat_sum', help: 'A sum.', registers: [registry] }).set(7);
const exposition = await registry.metrics();
writeFileSync('exposition', exposition);
for (const line of exposition.split('\n')) if (/^lat_sum /.test(line)) console.log(line);
EOF
cat >go.mod <<'EOF'
module finding

go 1.25

require github.com/prometheus/common v0.74.0
EOF
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"os"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func main() {
	exposition, err := os.Open("exposition")
	if err != nil {
		panic(err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	_, err = parser.TextToMetricFamilies(exposition)
	fmt.Println(err)
}
EOF
node render.mjs >seen
GOFLAGS=-mod=mod go run . >>seen
cat seen
diff seen - <<'EOF'
lat_sum 1
lat_sum 7
text format parsing error in line 8: second HELP line for metric name "lat"
EOF
echo 'still so'
