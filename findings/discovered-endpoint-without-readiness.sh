#!/usr/bin/env bash
# discovery.k8s.io/v1, EndpointConditions.ready: "A nil value should be interpreted as true". Prometheus' discovery of
# EndpointSlices (v0.316.0, which is release 3.16) gives such an endpoint no label about it, where others have "true" or "false": the
# usual rule that keeps "true" loses an endpoint that every proxy of the cluster sends requests to.
#
# Seen:
#   192.0.2.1:443 ready: "true"
#   192.0.2.2:443 ready: "false"
#   192.0.2.3:443 ready: no label
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder" && rm -rf "$folder"' EXIT
cd "$folder"
cat >go.mod <<'EOF'
module finding

go 1.26

require (
	github.com/prometheus/client_golang v1.25.0
	github.com/prometheus/prometheus v0.316.0
	k8s.io/api v0.37.1
	k8s.io/apimachinery v0.37.1
	k8s.io/client-go v0.37.1
)
EOF
cat >main.go <<'EOF'
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/discovery/kubernetes"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	discovery "k8s.io/api/discovery/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
)

func main() {
	ready, notReady := true, false
	port, name := int32(443), "metrics"
	slice := &discovery.EndpointSlice{
		ObjectMeta:  meta.ObjectMeta{Name: "slice", Namespace: "default"},
		AddressType: discovery.AddressTypeIPv4,
		Ports:       []discovery.EndpointPort{{Name: &name, Port: &port}},
		Endpoints: []discovery.Endpoint{
			{Addresses: []string{"192.0.2.1"}, Conditions: discovery.EndpointConditions{Ready: &ready}},
			{Addresses: []string{"192.0.2.2"}, Conditions: discovery.EndpointConditions{Ready: &notReady}},
			{Addresses: []string{"192.0.2.3"}},
		},
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	factory := informers.NewSharedInformerFactory(fake.NewClientset(slice), 0)
	slices := factory.Discovery().V1().EndpointSlices().Informer()
	services := factory.Core().V1().Services().Informer()
	pods := factory.Core().V1().Pods().Informer()
	count := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "events"}, []string{"role", "event"})
	found := kubernetes.NewEndpointSlice(nil, slices, services, pods, nil, nil, nil, nil, false, false, false, count)
	factory.Start(ctx.Done())
	groups := make(chan []*targetgroup.Group)
	go found.Run(ctx, groups)
	for _, target := range (<-groups)[0].Targets {
		ready, hasLabel := target["__meta_kubernetes_endpointslice_endpoint_conditions_ready"]
		said := "no label"
		if hasLabel {
			said = fmt.Sprintf("%q", ready)
		}
		fmt.Printf("%s ready: %s\n", target["__address__"], said)
	}
}
EOF
GOFLAGS=-mod=mod go run . >seen
cat seen
diff seen - <<'EOF'
192.0.2.1:443 ready: "true"
192.0.2.2:443 ready: "false"
192.0.2.3:443 ready: no label
EOF
echo 'still so'
