"""Scrapes with urllib and the parsers of prometheus-client: each line of stdin is a scrape, and each line of stdout its
series or its error."""

import json
import ssl
import sys
import urllib.request

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser


def series_of(given):
    request = urllib.request.Request(given["url"])
    if given.get("accept"):
        request.add_header("Accept", given["accept"])
    if given.get("tokenFile"):
        with open(given["tokenFile"], encoding="utf8") as file:
            request.add_header("Authorization", "Bearer " + file.read().strip())
    context = ssl.create_default_context(cafile=given.get("caFile"))
    if given.get("certificateFile"):
        context.load_cert_chain(given["certificateFile"], given["keyFile"])
    with urllib.request.urlopen(request, context=context) as response:
        text = response.read().decode("utf8")
        is_open = response.headers.get_content_type() == "application/openmetrics-text"
    reader = openmetrics_parser if is_open else parser
    return [
        f"{sample.name}{json.dumps(sample.labels, sort_keys=True)} {sample.value}"
        for family in reader.text_string_to_metric_families(text)
        for sample in family.samples
    ]


for line in sys.stdin:
    try:
        answer = {"series": series_of(json.loads(line))}
    except Exception as error:  # whatever it raises is what its caller would get
        answer = {"series": [], "error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
