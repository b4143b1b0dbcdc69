#!/usr/bin/env bash
# The text format 0.0.4 has int64 timestamps. prometheus/common v0.74.0 (expfmt, as client_golang serves) writes a metric
# of a time before 1970 with a minus sign, and reads it back. Prometheus (v0.316.0, which is release 3.16) refuses the whole
# exposition for it.
#
# Seen:
#   expfmt writes: up 1 -86400000
#   expfmt reads:  -86400000
#   textparse:     expected timestamp or new record, got "-" ("INVALID") while parsing: "up 1 -"
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder" && rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'EOF'
module finding

go 1.26

require (
	github.com/prometheus/client_model v0.6.2
	github.com/prometheus/common v0.74.0
	github.com/prometheus/prometheus v0.316.0
)
EOF
cat >main.go <<'EOF'
package main

import (
	"bytes"
	"fmt"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

func main() {
	name, value, dayBefore := "up", 1.0, int64(-86_400_000)
	family := &dto.MetricFamily{Name: &name, Type: dto.MetricType_GAUGE.Enum(), Metric: []*dto.Metric{
		{Gauge: &dto.Gauge{Value: &value}, TimestampMs: &dayBefore},
	}}
	var exposition bytes.Buffer
	if _, err := expfmt.MetricFamilyToText(&exposition, family); err != nil {
		panic(err)
	}
	lines := strings.Split(strings.TrimSpace(exposition.String()), "\n")
	fmt.Println("expfmt writes:", lines[len(lines)-1])

	reader := expfmt.NewTextParser(model.UTF8Validation)
	families, err := reader.TextToMetricFamilies(bytes.NewReader(exposition.Bytes()))
	if err != nil {
		panic(err)
	}
	fmt.Println("expfmt reads: ", families[name].Metric[0].GetTimestampMs())

	scrape, err := textparse.New(exposition.Bytes(), "text/plain; version=0.0.4", labels.NewSymbolTable(),
		textparse.ParserOptions{})
	for err == nil {
		_, err = scrape.Next()
	}
	fmt.Println("textparse:    ", err)
}
EOF
GOFLAGS=-mod=mod go run . >seen
cat seen
diff seen - <<'EOF'
expfmt writes: up 1 -86400000
expfmt reads:  -86400000
textparse:     expected timestamp or new record, got "-" ("INVALID") while parsing: "up 1 -"
EOF
echo 'still so'
