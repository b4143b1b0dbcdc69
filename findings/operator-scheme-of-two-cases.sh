#!/usr/bin/env bash
# The Prometheus operator v0.85.0, its CustomResourceDefinitions as they are published: the scheme of a target is "https" in
# a ServiceMonitor and a PodMonitor, "HTTPS" in a ScrapeConfig, and neither takes the other's. An API server refuses a
# ScrapeConfig that was written after a ServiceMonitor.
#
# Seen:
#   servicemonitors: http https
#   podmonitors: http https
#   scrapeconfigs: HTTP HTTPS
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder" && rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'EOF'
module finding

go 1.26

require (
	github.com/prometheus-operator/prometheus-operator v0.85.0
	sigs.k8s.io/yaml v1.6.0
)
EOF
cat >main.go <<'EOF'
package main

import (
	"fmt"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

type schema struct {
	Properties map[string]schema `json:"properties"`
	Items      *schema           `json:"items"`
	Enum       []any             `json:"enum"`
}

func main() {
	for _, row := range [][]string{
		{"servicemonitors", "spec", "endpoints", "scheme"},
		{"podmonitors", "spec", "podMetricsEndpoints", "scheme"},
		{"scrapeconfigs", "spec", "scheme"},
	} {
		text, err := os.ReadFile(os.Args[1] + "/example/prometheus-operator-crd/monitoring.coreos.com_" + row[0] + ".yaml")
		if err != nil {
			panic(err)
		}
		var definition struct {
			Spec struct {
				Versions []struct {
					Schema struct {
						OpenAPIV3Schema schema `json:"openAPIV3Schema"`
					} `json:"schema"`
				} `json:"versions"`
			} `json:"spec"`
		}
		if err := yaml.Unmarshal(text, &definition); err != nil {
			panic(err)
		}
		field := definition.Spec.Versions[0].Schema.OpenAPIV3Schema
		for _, name := range row[1:] {
			field = field.Properties[name]
			if field.Items != nil {
				field = *field.Items
			}
		}
		fmt.Println(row[0]+":", strings.Trim(fmt.Sprint(field.Enum), "[]"))
	}
}
EOF
export GOFLAGS=-mod=mod
folder_of_module=$(go mod download -json github.com/prometheus-operator/prometheus-operator | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
go run . "$folder_of_module" >seen
cat seen
diff seen - <<'EOF'
servicemonitors: http https
podmonitors: http https
scrapeconfigs: HTTP HTTPS
EOF
echo 'still so'
