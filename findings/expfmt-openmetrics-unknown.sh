#!/usr/bin/env bash
# prometheus/common v0.74.0, expfmt's decoder of OpenMetrics 1.0.0: a family of type "unknown", which the
# specification names as the type of metrics whose type is not known, ends the whole exposition with an error.
# The same family without a TYPE line, for which the specification demands the very same type, is read.
#
# Seen:
#   "unknown" written out: text format parsing error in line 1: unknown metric type "unknown"
#   no TYPE line: up UNTYPED, then EOF
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder" && rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'EOF'
module finding

go 1.25

require (
	github.com/prometheus/client_model v0.6.3
	github.com/prometheus/common v0.74.0
)
EOF
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

func main() {
	for _, row := range [][2]string{
		{`"unknown" written out`, "# TYPE up unknown\nup 1\n# EOF\n"},
		{"no TYPE line", "up 1\n# EOF\n"},
	} {
		decoder := expfmt.NewDecoder(strings.NewReader(row[1]), "application/openmetrics-text; version=1.0.0")
		seen := ""
		for {
			var family dto.MetricFamily
			if err := decoder.Decode(&family); err != nil {
				seen += err.Error()
				break
			}
			seen += fmt.Sprintf("%s %s, then ", family.GetName(), family.GetType())
		}
		fmt.Printf("%s: %s\n", row[0], seen)
	}
}
EOF
GOFLAGS=-mod=mod go run . >seen
cat seen
diff seen - <<'EOF'
"unknown" written out: text format parsing error in line 1: unknown metric type "unknown"
no TYPE line: up UNTYPED, then EOF
EOF
echo 'still so'
