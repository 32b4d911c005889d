"""What is a span and what is none; a query that fails; lines of libraries within a trace."""

import json

from tests.telemetry.collector import Collector
from tests.telemetry.test_tracing import SERVER, collector, run

__all__ = ["collector"]

PROGRAM = """
import logging
from django.db import DatabaseError, connection
from django.test import Client
from apps.telemetry import logs
from apps.telemetry.tracing import span
client = Client(SERVER_NAME="localhost")
for path in ("/healthz", "/readyz", "/health", "/metrics", "/metrics/queries", "/static/nothing.css", "/nowhere/"):
    client.get(path)
logs.configure(stream=sys.stdout, pretty=False)
with span("work"):
    logging.getLogger("some.package").warning("said")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 'zq-secret-zq'::int")
    except DatabaseError:
        pass
"""


def test_probes_are_no_traces_a_failed_query_says_so_and_a_librarys_line_bears_the_ids(
    transactional_db: None, collector: Collector, portal_environment: dict[str, str]
) -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_TRACES_SAMPLER": "always_on"}
    line = json.loads(run(PROGRAM, portal_environment, **variables).splitlines()[0])
    (work,) = collector.named("work")
    assert [span.attributes.get("url.path") for span in collector.spans if span.kind == SERVER] == ["/nowhere/"]
    assert (line["event"], line["trace_id"], line["span_id"]) == ("said", work.trace, work.id)
    (query,) = [span for span in collector.named("SELECT") if span.parent == work.id]
    assert (query.failed, work.failed) == (True, False)
    assert query.attributes["db.query.text"] == "SELECT ?::int"
    (event,) = query.events
    assert event["exception.message"].startswith("invalid input syntax for type integer: [masked]")
    assert b"zq-secret-zq" not in b"".join(collector.raw)
