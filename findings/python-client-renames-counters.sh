#!/usr/bin/env bash
# PyPI's prometheus-client 0.26.0: its parser of the text format renames the series of a counter whose name does not end in
# _total, which that format does not ask for (kube-apiserver has such counters: this is one of them). What is read and written
# again has another name, and the name that was served is gone; a gauge keeps its name.
#
# Seen:
#   counter authentication_attempts -> authentication_attempts_total
#   gauge authentication_attempts   -> authentication_attempts
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check prometheus-client==0.26.0
cat >read.py <<'EOF'
from prometheus_client.parser import text_string_to_metric_families

for kind in ("counter", "gauge"):
    text = f"# TYPE authentication_attempts {kind}\nauthentication_attempts 3\n"
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            print(kind, "->", sample.name)
EOF
venv/bin/python read.py >seen
cat seen
diff seen - <<'EOF'
counter -> authentication_attempts_total
gauge -> authentication_attempts
EOF
echo 'still so'
