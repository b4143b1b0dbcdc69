#!/usr/bin/env bash
# Prometheus 2.42 (v0.42.0, as Debian 12 has it): `authorization` without `type` means Bearer, so it is documented and so a
# scrape sends it. The same lines below http_sd_configs send the bare token: the default is never set there, for the client's
# part stands inline in the discovery's configuration and is not validated. Any server then answers 401.
# `type: Bearer` written out is sent by both.
#
# Seen:
#   scrape_configs:                  Authorization: Bearer a-token
#   http_sd_configs:                 Authorization: a-token
#   http_sd_configs, type: Bearer:   Authorization: Bearer a-token
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder" && rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'EOF'
module finding

go 1.25

require (
	github.com/go-kit/log v0.2.1
	github.com/prometheus/common v0.39.0
	github.com/prometheus/prometheus v0.42.0
	gopkg.in/yaml.v2 v2.4.0
)
EOF
cat >main.go <<'EOF'
package main

import (
	"context"
	"fmt"
	nethttp "net/http"
	"net/http/httptest"

	"github.com/go-kit/log"
	"github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/discovery/http"
	"gopkg.in/yaml.v2"
)

const authorization = "authorization:\n  credentials: a-token\n"

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	sent := ""
	server := httptest.NewServer(nethttp.HandlerFunc(func(response nethttp.ResponseWriter, request *nethttp.Request) {
		sent = request.Header.Get("Authorization")
		response.Header().Set("Content-Type", "application/json")
		fmt.Fprint(response, "[]")
	}))
	defer server.Close()

	var scrape config.HTTPClientConfig
	must(0, yaml.UnmarshalStrict([]byte(authorization), &scrape))
	must(must(config.NewClientFromConfig(scrape, "scrape")).Get(server.URL))
	fmt.Println("scrape_configs:                  Authorization:", sent)

	for _, row := range [][2]string{
		{"http_sd_configs:                ", ""},
		{"http_sd_configs, type: Bearer:  ", "  type: Bearer\n"},
	} {
		discovery := http.SDConfig{}
		text := "url: " + server.URL + "\nrefresh_interval: 1m\n" + authorization + row[1]
		must(0, yaml.UnmarshalStrict([]byte(text), &discovery))
		found := must(http.NewDiscovery(&discovery, log.NewNopLogger(), nil))
		must(found.Refresh(context.Background()))
		fmt.Println(row[0], "Authorization:", sent)
	}
}
EOF
GOFLAGS=-mod=mod go run . >seen
cat seen
diff seen - <<'EOF'
scrape_configs:                  Authorization: Bearer a-token
http_sd_configs:                 Authorization: a-token
http_sd_configs, type: Bearer:   Authorization: Bearer a-token
EOF
echo 'still so'
