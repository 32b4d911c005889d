"""One trace through web, worker, PostgreSQL and Redis, as a real receiver takes it; and what tracing costs when nobody takes it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.test import Client

from apps.accounts.models import Person
from apps.lab.layout import Layout, Node, free_ports
from apps.metrics.alerting import Channel
from apps.metrics.models import Tier
from apps.metrics.secrets import seal
from apps.telemetry import tracing
from apps.telemetry.tracing import State, span
from tests.conftest import Until
from tests.receivers import Hook
from tests.telemetry.collector import Collector, Taken, collecting

ROOT = Path(__file__).parents[2]
WEB = ["-m", "gunicorn", "opsportal.wsgi:application", "--bind"]
WORKER = [
    "-m",
    "celery",
    "-A",
    "opsportal",
    "worker",
    "-P",
    "threads",
    "-c",
    "2",
    "--without-gossip",
    "--without-mingle",
]
ORDER = "order/of-a-test"
CSRF = "a" * 32
SERVER, CLIENT = 2, 3  # kinds of spans, in OTLP


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as listening:
        yield listening


class Portal:
    """Web and worker, each a process of its own, and what they said."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self.children = [
            self._start("web", [*WEB, f"127.0.0.1:{self.port}"], variables),
            self._start("worker", WORKER, variables),
        ]

    def _start(self, name: str, words: list[str], variables: dict[str, str]) -> subprocess.Popen[bytes]:
        with (self.folder / name).open("wb") as said:
            return subprocess.Popen([sys.executable, *words], cwd=ROOT, env=variables, stdout=said, stderr=said)

    def said(self, name: str) -> list[dict[str, object]]:
        lines = (self.folder / name).read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz").is_success and any(
                "ready" in str(line["event"]) for line in self.said("worker")
            )
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        for child in self.children:
            child.send_signal(signal.SIGTERM)
        for child in self.children:
            child.wait(timeout=30)


@pytest.fixture
def portal(
    transactional_db: None,
    portal_environment: dict[str, str],
    collector: Collector,
    hook: Hook,
    tmp_path: Path,
    until: Until,
) -> Iterator[Portal]:
    """The portal with every trace sent to the collector."""
    started = Portal(
        tmp_path,
        os.environ
        | portal_environment
        | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_HEADERS": "dd-api-key=of-the-collector",
            "OTEL_TRACES_SAMPLER_ARG": "1",
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
            "OPSPORTAL_WEBHOOK_HOSTS": f"127.0.0.1:{hook.port}",
            "OPSPORTAL_LOG_LEVEL": "INFO",
            "WEB_CONCURRENCY": "1",
        },
    )
    try:
        until(started.ready, 60)
        yield started
    finally:
        started.stop()


PAGE = "POST t/<slug:tier>/channels/<int:channel>/test/"
TASK = "run/apps.metrics.tasks.deliver"


@pytest.fixture
def trace(portal: Portal, collector: Collector, hook: Hook, lead: Person, until: Until) -> list[Taken]:
    """A lead asks for a test of a channel: the page orders a delivery, the worker posts it. The spans of that."""
    tier = Tier.objects.create(slug="lab", name="Lab")
    known = {"shown": "", "least": "warn", "made_by": lead, "target": seal(hook.url), "secret": seal("s")}
    channel = Channel.objects.create(tier=tier, kind="json", name="hook", **known)
    browser = Client()
    browser.force_login(lead, backend="django.contrib.auth.backends.ModelBackend")
    answer = httpx.post(
        f"{portal.url}/t/lab/channels/{channel.pk}/test/?code=zq-secret-query",
        headers={"X-Correlation-ID": ORDER, "X-CSRFToken": CSRF, "User-Agent": "zq-secret-agent"},
        cookies={"sessionid": browser.cookies["sessionid"].value, "csrftoken": CSRF},
    )
    assert answer.status_code == 302, answer.text[:300]
    until(lambda: hook.received and collector.named(TASK) and collector.named(PAGE), 20)
    (page,) = collector.named(PAGE)
    for secret in ("zq-secret", "key-of-the-channel", CSRF, browser.cookies["sessionid"].value):
        assert secret.encode() not in b"".join(collector.raw)
    return [one for one in collector.spans if one.trace == page.trace]


def one(spans: list[Taken], name: str) -> Taken:
    (found,) = [span for span in spans if span.name == name]
    return found


def above(spans: list[Taken], span: Taken | None) -> list[str]:
    """The names of what a span is part of, the innermost first."""
    by_id, names = {other.id: other for other in spans}, []
    while span := by_id.get(span.parent) if span else None:
        names.append(span.name)
    return names


def test_one_trace_goes_through_web_worker_postgresql_redis_and_what_is_called(
    portal: Portal, trace: list[Taken], collector: Collector, hook: Hook, lead: Person
) -> None:
    web, run = one(trace, PAGE), one(trace, TASK)
    ordered = ["apply_async/apps.metrics.tasks.deliver", PAGE]
    assert above(trace, run) == ordered
    assert (web.program, run.program, web.service) == ("web", "worker", "opsportal")
    pushed = one(trace, "LPUSH")
    assert (above(trace, pushed), pushed.attributes["db.system.name"]) == (ordered, "redis")
    asked = [span for span in trace if span.attributes.get("db.system.name") == "postgresql"]
    assert {span.program for span in asked} == {"web", "worker"}
    assert any("metrics_delivery" in span.attributes["db.query.text"] for span in asked if span.parent == run.id)
    (called,) = [span for span in trace if span.attributes.get("url.full")]
    assert (called.parent, called.attributes["url.full"]) == (run.id, f"http://127.0.0.1:{hook.port}")
    assert hook.received[0].headers["traceparent"].startswith(f"00-{web.trace}-{called.id}-")
    assert hook.received[0].headers["x-correlation-id"] == ORDER
    assert {span.attributes.get("correlation_id") for span in trace} == {ORDER}
    assert (web.attributes["http.response.status_code"], web.attributes["enduser.id"]) == (302, str(lead.pk))
    for name, event in (("web", "request"), ("worker", "delivery"), ("worker", "task")):
        lines = [line for line in portal.said(name) if line.get("correlation_id") == ORDER and line["event"] == event]
        assert [line.get("trace_id") for line in lines] == [web.trace], (name, event)
        assert {line.get("span_id") for line in lines} <= {span.id for span in trace}
    written = (portal.folder / "web").read_text(encoding="utf-8").splitlines()
    assert [line for line in written if not line.startswith("{")] == [], "what gunicorn itself says is JSON as well"
    reader = Client()
    reader.force_login(lead, backend="django.contrib.auth.backends.ModelBackend")
    logs = httpx.get(f"{portal.url}/portal/logs/", cookies={"sessionid": reader.cookies["sessionid"].value}).text
    assert f"Traces go to 127.0.0.1:{collector.port}; this process sent " in logs
    sent = collector.headers[0]
    assert (sent["dd-api-key"], sent["content-type"]) == ("of-the-collector", "application/x-protobuf")
    # Neither the worker's waiting for Redis nor a probe of this process is a trace.
    assert not [span for span in collector.spans if span.kind == CLIENT and not span.parent]
    assert not [span for span in collector.spans if "healthz" in str(span)]


def run(program: str, variables: dict[str, str], **environment: str) -> str:
    """A process of its own that has set Django up; what it wrote."""
    env = (
        os.environ
        | variables
        | {"DJANGO_SETTINGS_MODULE": "opsportal.settings", "PYTHONPATH": str(ROOT), **environment}
    )
    words = [sys.executable, "-c", f"import django, sys\ndjango.setup()\n{program}"]
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


REQUEST = """
from django.test import Client
assert Client(SERVER_NAME="localhost").get("/accounts/login/").status_code == 200
"""


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"},
    ],
    ids=["no address", "disabled", "no exporter"],
)
def test_off_nothing_of_it_is_loaded_or_patched(
    transactional_db: None, portal_environment: dict[str, str], environment: dict[str, str]
) -> None:
    program = f"""{REQUEST}
import redis, celery.signals
from django.db import connection
from apps.telemetry import monitor, tracing
connection.ensure_connection()
# redis-py itself loads the interface of OpenTelemetry's metrics where it is installed; what traces, patches and sends is not there.
parts = ("opentelemetry.instrumentation", "opentelemetry.exporter", "opentelemetry.proto", "apps.telemetry.tracing_", "wrapt")
print([name for name in sys.modules if name.startswith(parts)])
print([w is monitor.watch for w in connection.execute_wrappers], hasattr(redis.Redis.execute_command, "__wrapped__"), tracing.state().on)
"""
    assert run(program, portal_environment, **environment) == "[]\n[True] False False\n"


def test_off_a_span_costs_next_to_nothing() -> None:
    began = time.process_time()
    for _ in range(10_000):
        with span("work", tier="lab"):
            pass
    assert (time.process_time() - began) / 10_000 < 10e-6
    assert tracing.state() == State()


def test_a_decorated_function_is_itself_and_no_coroutine() -> None:
    @span("add")
    def add(one: int, other: int) -> int:
        """Adds."""
        return one + other

    assert (add(1, other=2), add.__name__, add.__doc__) == (3, "add", "Adds.")

    async def later() -> None: ...

    with pytest.raises(TypeError, match="within it"):
        span("later")(later)


OWN = """
from apps.telemetry import correlation
from apps.telemetry.tracing import annotate, span, state
@span("inner", password="zq-secret-zq")
def inner():
    annotate(rows=3)
    raise ValueError("at postgresql://app:zq-secret-zq@h/db", "half \\ud800")
with correlation.correlated("own/1"):
    try:
        with span("outer", tier="lab"):
            inner()
    except ValueError:
        pass
print(state())
"""


def test_spans_of_our_own_tell_what_failed_and_nothing_secret(
    collector: Collector, portal_environment: dict[str, str]
) -> None:
    run(OWN, portal_environment, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_TRACES_SAMPLER="always_on")
    (outer,), (inner,) = collector.named("outer"), collector.named("inner")
    assert (inner.parent, inner.trace) == (outer.id, outer.trace)
    assert outer.failed
    assert inner.failed
    (event,) = inner.events
    assert event["exception.type"] == "ValueError"
    assert "postgresql://[masked]@h/db" in event["exception.message"]
    assert "in inner" in event["exception.stacktrace"]
    assert inner.attributes == {"password": "[masked]", "rows": 3, "correlation_id": "own/1"}
    assert outer.attributes == {"tier": "lab", "correlation_id": "own/1"}
    assert b"zq-secret-zq" not in b"".join(collector.raw)


BATCH = """
from django.db import connection
from apps.batch import How, create, table
from apps.telemetry.tracing import span
with connection.cursor() as cursor:
    cursor.execute("DROP TABLE IF EXISTS traced_batch; CREATE TABLE traced_batch (id int PRIMARY KEY, said text)")
try:
    with span("carry"):
        create(table("public.traced_batch"), [(n % 6, "zq-secret-zq") for n in range(8)], columns=("id", "said"), how=How(chunk=4))
    create(table("public.traced_batch"), [(9, "x")], columns=("id", "said"))
finally:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE traced_batch")
"""


def test_each_transaction_of_a_batch_is_a_span_of_whoever_carries_it(
    transactional_db: None, collector: Collector, portal_environment: dict[str, str]
) -> None:
    owner = portal_environment | {"OPSPORTAL_DATABASE_URL": portal_environment["OPSPORTAL_OWNER_DATABASE_URL"]}
    run(BATCH, owner, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_TRACES_SAMPLER="always_on")
    (carried,), found = collector.named("carry"), collector.named("batch create")
    assert [(span.parent, span.trace) for span in found] == [
        (carried.id, carried.trace)
    ] * 3  # the second run began no trace
    told = [(span.attributes["db.operation.batch.size"], span.attributes["opsportal.rows_failed"]) for span in found]
    assert sorted(told) == [(4, 0), (4, 2), (8, 0)]  # all together, which failed, then each chunk by itself
    assert {span.attributes["db.collection.name"] for span in found} == {"public.traced_batch"}
    assert b"zq-secret-zq" not in b"".join(collector.raw)


FAILING = """
from django.test import Client
from apps.telemetry import readiness, tracing_setup
def fails(): raise RuntimeError("token=zq-secret-zq")
readiness.parts = fails
tracing_setup.UNTRACED = frozenset()
client = Client(SERVER_NAME="localhost", raise_request_exception=False)
assert client.get("/readyz").status_code == 500
assert client.get("/nowhere/token=zq-secret-zq/?a=zq-secret-zq").status_code == 404
"""


def test_a_request_that_failed_has_the_error_on_its_span(
    transactional_db: None, collector: Collector, portal_environment: dict[str, str]
) -> None:
    run(FAILING, portal_environment, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_TRACES_SAMPLER="always_on")
    (failed,) = collector.named("GET readyz")
    assert failed.failed
    assert failed.attributes["http.response.status_code"] == 500
    assert [event["exception.message"] for event in failed.events] == ["token=[masked]"]
    (missing,) = [span for span in collector.spans if span.attributes.get("http.response.status_code") == 404]
    assert not missing.failed
    assert missing.attributes["url.path"] == "/nowhere/token=[masked]"


STREAMED = """
from django.db import connection
from django.http import StreamingHttpResponse
from django.test import RequestFactory
from apps.telemetry.middleware import CorrelationMiddleware
def body():
    for _ in range(3):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.1)")
        yield b"12345"
    raise RuntimeError("token=zq-secret-zq")
def begun(correlation_id):
    view = CorrelationMiddleware(lambda request: StreamingHttpResponse(body()))
    response = view(RequestFactory().get("/", headers={"X-Correlation-ID": correlation_id}))
    return response, iter(response)
broken, parts = begun("broken")
try:
    list(parts)
except RuntimeError:
    broken.close()
left, parts = begun("left")
next(parts), next(parts)
with connection.cursor() as cursor:
    cursor.execute("SELECT 1")  # of nobody's request
left.close()
left.close()
begun("unasked")[0].close()
"""


def test_what_a_download_asks_and_what_breaks_it_off_is_part_of_its_span(
    transactional_db: None, collector: Collector, portal_environment: dict[str, str]
) -> None:
    run(STREAMED, portal_environment, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_TRACES_SAMPLER="always_on")
    roots = {span.attributes["correlation_id"]: span for span in collector.named("GET")}
    asked = [span.parent for span in collector.named("SELECT") if "pg_sleep" in span.attributes["db.query.text"]]
    assert {word: (asked.count(span.id), span.failed) for word, span in roots.items()} == {
        "broken": (3, True),
        "left": (2, False),
        "unasked": (0, False),
    }
    assert len(collector.named("SELECT")) == 5
    assert [event["exception.message"] for event in roots["broken"].events] == ["token=[masked]"]
    assert roots["broken"].seconds >= 0.3


SAMPLED = """
import random
random.seed(7)
from django.test import Client
client = Client(SERVER_NAME="localhost")
for _ in range(200):
    client.get("/nowhere/")
for flag in ("01", "00"):
    client.get("/nowhere/", headers={"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-{flag}", "baggage": "zq=secret"})
client.get("/nowhere/", headers={"traceparent": "00-x'; DROP--"})
from apps.telemetry.tracing import state
print(state().sampler)
"""


def test_a_tenth_is_sent_and_whoever_calls_us_decides_for_its_own_traces(
    transactional_db: None, collector: Collector, portal_environment: dict[str, str]
) -> None:
    said = run(SAMPLED, portal_environment, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.url}/v1/traces")
    assert "TraceIdRatioBased{0.1}" in said
    roots = [span for span in collector.spans if span.kind == SERVER]
    (called,) = [span for span in roots if span.trace == "ab" * 16]
    assert called.parent == "cd" * 8
    assert 5 <= len(roots) - 1 <= 45


DOWN = """
import time
from apps.telemetry.tracing import _on, span, state
for turn in range(3000):
    began = time.perf_counter()
    with span("work"):
        pass
    assert time.perf_counter() - began < 1
end = time.monotonic() + 30
while not state().failing_since and time.monotonic() < end:
    time.sleep(0.05)
found = state()
assert found.failing_since, found
assert found.dropped + found.waiting == 3000, found
assert found.waiting <= 2048, found
print(time.time())
"""


@pytest.mark.parametrize("answer", [None, 500, 302], ids=["refuses", "answers 500", "sends elsewhere"])
def test_a_collector_that_is_down_is_counted_and_holds_nobody_up(
    collector: Collector, portal_environment: dict[str, str], answer: int | None
) -> None:
    collector.answer = answer or 200
    url = collector.url if answer else "http://127.0.0.1:1"
    said = run(
        DOWN,
        portal_environment,
        OTEL_EXPORTER_OTLP_ENDPOINT=url,
        OTEL_TRACES_SAMPLER="always_on",
        OTEL_EXPORTER_OTLP_TIMEOUT="1",
    )
    assert time.time() - float(said) < 5


def test_a_silent_collector_does_not_hold_up_the_end(collector: Collector, portal_environment: dict[str, str]) -> None:
    collector.slow = 8
    program = "import time\nfrom apps.telemetry.tracing import span\nwith span('work'):\n    pass\nprint(time.time())"
    said = run(program, portal_environment, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_TRACES_SAMPLER="always_on")
    assert time.time() - float(said) < 6


POLLED = """
import os
from datetime import timedelta
from apps.metrics.collect import Collector
from apps.metrics.kernel import NodeKind, NodeRole
from apps.metrics.readers import Target
from apps.telemetry import correlation
from apps.telemetry.tracing import span
there, away = os.environ["THERE"], "postgresql://app:zq-secret-zq@127.0.0.1:1/x"
targets = [Target(n, name, NodeKind.POSTGRES, NodeRole.PRIMARY, url) for n, (name, url) in enumerate((("there", there), ("away", away)))]
collector = Collector(timedelta(seconds=10))
with correlation.correlated("poll/1"), span("ask"):
    collector.poll(targets, {}, {})
collector.close()
"""


def test_each_node_that_a_poll_asks_is_a_span_and_says_how_it_failed(
    lab: object, layout: Layout, collector: Collector, portal_environment: dict[str, str]
) -> None:
    run(
        POLLED,
        portal_environment,
        THERE=layout.dsn(Node.PRIMARY, "opsportal_poll"),
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
        OTEL_TRACES_SAMPLER="always_on",
    )
    (whole,) = collector.named("ask")
    asked = {span.attributes["node"]: span for span in collector.named("ask node")}
    assert {name: (span.parent, span.attributes["correlation_id"]) for name, span in asked.items()} == {
        "there": (whole.id, "poll/1"),
        "away": (whole.id, "poll/1"),
    }
    assert "failure" not in asked["there"].attributes
    assert asked["away"].attributes["failure"] == "unreachable"
    assert b"zq-secret-zq" not in b"".join(collector.raw)
