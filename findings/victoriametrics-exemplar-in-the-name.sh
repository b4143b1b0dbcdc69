#!/usr/bin/env bash
# VictoriaMetrics v1.150.0, the parser that its scrapers use (lib/protoparser/prometheus): an OpenMetrics sample without
# labels that carries an exemplar becomes a series of another name. The name runs to the exemplar's brace, and the
# exemplar's labels, value and timestamp become those of the sample. With a label on the sample, it is read rightly.
# (Prometheus' own parser, v0.316.0, reads both as jobs_total 1.)
#
# Seen:
#   jobs_total 17 # {trace_id="abc"} 0.5        ->  name "jobs_total 17 #", trace_id="abc", value 0.5
#   jobs_total{a="1"} 17 # {trace_id="abc"} 0.5 ->  name "jobs_total", a="1", value 17
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder" && rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'EOF'
module finding

go 1.26

require github.com/VictoriaMetrics/VictoriaMetrics v1.150.0
EOF
cat >main.go <<'EOF'
package main

import (
	"fmt"

	"github.com/VictoriaMetrics/VictoriaMetrics/lib/protoparser/prometheus"
)

func main() {
	for _, labels := range []string{"", `{a="1"}`} {
		var rows prometheus.Rows
		exposition := "# TYPE jobs counter\njobs_total" + labels + " 17 # {trace_id=\"abc\"} 0.5\n# EOF\n"
		rows.UnmarshalWithErrLogger(exposition, func(message string) { panic(message) })
		for _, row := range rows.Rows {
			fmt.Printf("%q", row.Metric)
			for _, tag := range row.Tags {
				fmt.Printf(" %s=%q", tag.Key, tag.Value)
			}
			fmt.Println("", row.Value)
		}
	}
}
EOF
GOFLAGS=-mod=mod go run . >seen
cat seen
diff seen - <<'EOF'
"jobs_total 17 #" trace_id="abc" 0.5
"jobs_total" a="1" 17
EOF
echo 'still so'
