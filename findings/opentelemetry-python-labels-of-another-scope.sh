#!/usr/bin/env bash
# PyPI's opentelemetry-exporter-prometheus 0.66b2: two instrumentation scopes that both have a counter "requests" share one
# metric family, whose label names are those of the scope that came first. The other's values, in the order of their own
# labels' names, are put under those names, and what is left over is cut off: an outcome is served as a route, the queue is
# lost, and two counters become one series with two values.
#
# Seen, of scope "web" with route="/cart" and scope "jobs" with outcome="failure", queue="mail" and queue="text":
#   requests_total{otel_scope_name="web",route="/cart"} 100.0
#   requests_total{otel_scope_name="jobs",route="failure"} 7.0
#   requests_total{otel_scope_name="jobs",route="failure"} 3.0
# and of scope "jobs" alone:
#   requests_total{otel_scope_name="jobs",outcome="failure",queue="mail"} 7.0
#   requests_total{otel_scope_name="jobs",outcome="failure",queue="text"} 3.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check opentelemetry-exporter-prometheus==0.66b2 opentelemetry-sdk==1.45.2 \
  prometheus-client==0.26.0
cat >serve.py <<'EOF'
import re
import sys

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import CollectorRegistry, generate_latest

registry = CollectorRegistry()
provider = MeterProvider(metric_readers=[PrometheusMetricReader(registry=registry)])
if "web" in sys.argv:
    provider.get_meter("web").create_counter("requests").add(100, {"route": "/cart"})
failed = provider.get_meter("jobs").create_counter("requests")
failed.add(7, {"outcome": "failure", "queue": "mail"})
failed.add(3, {"outcome": "failure", "queue": "text"})
for line in generate_latest(registry).decode().splitlines():
    if line.startswith("requests_total"):
        print(re.sub(r'otel_scope_(schema_url|version)="",?', "", line).replace(",}", "}"))
EOF
venv/bin/python serve.py web jobs >seen
venv/bin/python serve.py jobs >>seen
cat seen
diff seen - <<'EOF'
requests_total{otel_scope_name="web",route="/cart"} 100.0
requests_total{otel_scope_name="jobs",route="failure"} 7.0
requests_total{otel_scope_name="jobs",route="failure"} 3.0
requests_total{otel_scope_name="jobs",outcome="failure",queue="mail"} 7.0
requests_total{otel_scope_name="jobs",outcome="failure",queue="text"} 3.0
EOF
echo 'still so'
