#!/usr/bin/env bash
# Telegraf v1.37.2 (inputs.prometheus, metric_version 2) gives a counter two names: "jobs_total" where the server answers in
# the text format, "jobs" where it answers in OpenMetrics, whose parser leaves out the _total of every counter's sample. A
# server that begins to serve OpenMetrics, with nothing else changed, breaks every query.
#
# Seen:
#   text:        jobs_total
#   OpenMetrics: jobs
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder" && rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'EOF'
module finding

go 1.25

require github.com/influxdata/telegraf v1.37.2
EOF
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"net/http"

	"github.com/influxdata/telegraf"
	"github.com/influxdata/telegraf/plugins/parsers/openmetrics"
	"github.com/influxdata/telegraf/plugins/parsers/prometheus"
)

func main() {
	text := "# TYPE jobs_total counter\njobs_total 17\n"
	show("text:       ", &prometheus.Parser{MetricVersion: 2, Header: typed("text/plain; version=0.0.4")}, text)
	open := "# TYPE jobs counter\njobs_total 17\n# EOF\n"
	show("OpenMetrics:", &openmetrics.Parser{
		MetricVersion: 2,
		Header:        typed("application/openmetrics-text; version=1.0.0; charset=utf-8"),
	}, open)
}

func typed(contentType string) http.Header {
	return http.Header{"Content-Type": []string{contentType}}
}

func show(format string, parser telegraf.Parser, exposition string) {
	metrics, err := parser.Parse([]byte(exposition))
	if err != nil {
		panic(err)
	}
	for _, metric := range metrics {
		for name := range metric.Fields() {
			fmt.Println(format, name)
		}
	}
}
EOF
GOFLAGS=-mod=mod go run . >seen
cat seen
diff seen - <<'EOF'
text:        jobs_total
OpenMetrics: jobs
EOF
echo 'still so'
