#!/usr/bin/env bash
# prom-client 15.1.3: a registry of the OpenMetrics content type without a metric, as a service has it before its first
# collector registers, writes a blank line and then "# EOF". OpenMetrics allows no blank line, and Prometheus (v0.316.0,
# which is release 3.16) refuses the scrape; the target is down. An exposition of "# EOF" alone is valid.
#
# Seen:
#   "\n# EOF\n"
#   expected a valid start token, got "\n" ("INVALID") while parsing: "\n"
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder" && rm -rf "$folder"' EXIT
cd "$folder"
printf '{"private":true,"type":"module"}\n' >package.json
npm install --no-audit --no-fund --silent prom-client@15.1.3
cat >write.mjs <<'EOF'
import { Registry } from 'prom-client';
process.stdout.write(await new Registry(Registry.OPENMETRICS_CONTENT_TYPE).metrics());
EOF
cat >go.mod <<'EOF'
module finding

go 1.26

require github.com/prometheus/prometheus v0.316.0
EOF
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
)

func main() {
	exposition, _ := io.ReadAll(os.Stdin)
	fmt.Printf("%q\n", exposition)
	contentType := "application/openmetrics-text; version=1.0.0; charset=utf-8"
	parser, err := textparse.New(exposition, contentType, labels.NewSymbolTable(), textparse.ParserOptions{})
	for err == nil {
		_, err = parser.Next()
	}
	fmt.Println(err)
}
EOF
GOFLAGS=-mod=mod go build -o parse .
node write.mjs | ./parse >seen
cat seen
diff seen - <<'EOF'
"\n# EOF\n"
expected a valid start token, got "\n" ("INVALID") while parsing: "\n"
EOF
echo 'still so'
