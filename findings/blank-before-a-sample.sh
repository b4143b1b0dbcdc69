#!/usr/bin/env bash
# Two parsers of the Prometheus text format 0.0.4, both by the Prometheus project, read a line that begins with a
# blank differently. prometheus/common's expfmt (promtool check metrics, controllers) skips the blank. The parser
# that Prometheus scrapes with (v0.316.0, which is release 3.16) makes it the first character of the metric's name.
#
# Seen, of " up 1":
#   expfmt:    "up"
#   textparse: " up"
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder" && rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'EOF'
module finding

go 1.26

require (
	github.com/prometheus/common v0.74.0
	github.com/prometheus/prometheus v0.316.0
)
EOF
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

const exposition = " up 1\n"

func main() {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(exposition))
	if err != nil {
		panic(err)
	}
	for name := range families {
		fmt.Printf("expfmt:    %q\n", name)
	}
	scrape, err := textparse.New([]byte(exposition), "text/plain; version=0.0.4", labels.NewSymbolTable(),
		textparse.ParserOptions{})
	if err != nil {
		panic(err)
	}
	for {
		entry, err := scrape.Next()
		if err != nil {
			break
		}
		if entry == textparse.EntrySeries {
			var series labels.Labels
			scrape.Labels(&series)
			fmt.Printf("textparse: %q\n", series.Get("__name__"))
		}
	}
}
EOF
GOFLAGS=-mod=mod go run . >seen
cat seen
diff seen - <<'EOF'
expfmt:    "up"
textparse: " up"
EOF
echo 'still so'
