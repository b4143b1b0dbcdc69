#!/usr/bin/env bash
# Relabelling's action hashmod spreads targets over shards. Prometheus (v0.316.0, which is release 3.16) hashes with MD5,
# VictoriaMetrics v1.150.0 (lib/promrelabel, as vmagent has it) with xxHash; the same lines are valid in both. Where the shards
# of one job move to vmagent one after the other, some targets are scraped twice and others by nobody until the last has
# moved, and no target is down.
#
# Seen, with shard 0 left to Prometheus and shard 1 moved to vmagent:
#   192.0.2.1:9100: Prometheus 0, vmagent 1: scraped twice
#   192.0.2.2:9100: Prometheus 1, vmagent 0: scraped by nobody
#   192.0.2.3:9100: Prometheus 1, vmagent 0: scraped by nobody
#   192.0.2.4:9100: Prometheus 0, vmagent 1: scraped twice
#   192.0.2.5:9100: Prometheus 0, vmagent 0: scraped by Prometheus
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder" && rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'EOF'
module finding

go 1.26

require (
	github.com/VictoriaMetrics/VictoriaMetrics v1.150.0
	github.com/prometheus/common v0.74.0
	github.com/prometheus/prometheus v0.316.0
	gopkg.in/yaml.v2 v2.4.0
)
EOF
cat >main.go <<'EOF'
package main

import (
	"fmt"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/promrelabel"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/promutil"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"gopkg.in/yaml.v2"
)

const rules = `
- source_labels: [__address__]
  modulus: 2
  target_label: shard
  action: hashmod
`

func main() {
	vmagent, err := promrelabel.ParseRelabelConfigsData([]byte(rules))
	if err != nil {
		panic(err)
	}
	var prometheus []*relabel.Config
	if err := yaml.UnmarshalStrict([]byte(rules), &prometheus); err != nil {
		panic(err)
	}
	if err := prometheus[0].Validate(model.UTF8Validation); err != nil {
		panic(err)
	}
	for host := 1; host <= 5; host++ {
		address := fmt.Sprintf("192.0.2.%d:9100", host)
		builder := labels.NewBuilder(labels.FromStrings("__address__", address))
		relabel.ProcessBuilder(builder, prometheus...)
		target := promutil.NewLabelsFromMap(map[string]string{"__address__": address})
		target.Labels = vmagent.Apply(target.Labels, 0)
		left, moved := builder.Get("shard"), target.Get("shard")
		scraped := map[string]string{
			"00": "by Prometheus", "01": "twice", "10": "by nobody", "11": "by vmagent",
		}[left+moved]
		fmt.Printf("%s: Prometheus %s, vmagent %s: scraped %s\n", address, left, moved, scraped)
	}
}
EOF
GOFLAGS=-mod=mod go run . >seen
cat seen
diff seen - <<'EOF'
192.0.2.1:9100: Prometheus 0, vmagent 1: scraped twice
192.0.2.2:9100: Prometheus 1, vmagent 0: scraped by nobody
192.0.2.3:9100: Prometheus 1, vmagent 0: scraped by nobody
192.0.2.4:9100: Prometheus 0, vmagent 1: scraped twice
192.0.2.5:9100: Prometheus 0, vmagent 0: scraped by Prometheus
EOF
echo 'still so'
