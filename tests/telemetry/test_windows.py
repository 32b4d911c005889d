"""Figures of several processes add up; the document for machines; what happens while Redis is away."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from apps.accounts.models import Person
from apps.metrics.application import PROBES
from apps.telemetry import figures, monitor, windows
from apps.telemetry.outbox import client, outbox
from apps.telemetry.sketches import MOST, OTHERS, Durations, Window, merged
from apps.telemetry.statements import fingerprint_of
from apps.telemetry.windows import folding
from tests.people import Browser
from tests.telemetry.conftest import HandOver, Unanswered

ELSEWHERE = fingerprint_of("SELECT elsewhere(?)")
_seconds = st.lists(st.floats(1e-6, 100), min_size=1, max_size=60)


pytestmark = pytest.mark.usefixtures("hand_over")


def elsewhere(count: int, settings: Settings, every: int = 10) -> None:
    """Another process sends queries, of which every tenth is slow."""
    environment = os.environ | {"TELEMETRY_REDIS_URL": settings.TELEMETRY_REDIS_URL}
    subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.telemetry.elsewhere", str(count), str(every)],
        env=environment, cwd=Path(__file__).parents[2], check=True, timeout=60,
    )  # fmt: skip


def test_processes_of_any_django_application_add_up(settings: Settings) -> None:
    elsewhere(30, settings)
    elsewhere(20, settings)
    [row] = figures.overview(windows.HOUR).rows
    assert row.fingerprint == ELSEWHERE
    assert row.text == "SELECT elsewhere(?)"
    assert re.fullmatch(r"tests/telemetry/elsewhere\.py:\d+ main", row.caller)
    assert (row.summary.calls, row.summary.slow, row.share) == (50, 5, 1.0)
    assert row.summary.slow_share == 0.1
    assert row.summary.p50 is not None
    assert row.summary.p50 < 20 < row.summary.longest  # type: ignore[operator]
    assert figures.overview(windows.DAY).whole.calls == 50
    assert len(windows.slow_queries()) == 5
    assert windows.total() == 50


def test_writing_twice_counts_nothing_twice(hand_over: HandOver) -> None:
    statement = monitor.catalogue.statement("SELECT 1")
    monitor.pending.append((statement, 0.001))
    hand_over()
    monitor.pending.append({statement: [0.002, 0.003]})
    hand_over()
    hand_over()
    assert figures.overview(windows.HOUR).whole.calls == 3
    assert windows.total() == 3


def test_what_redis_took_without_answering_counts_once(hand_over: HandOver, unanswered: Unanswered) -> None:
    statement = monitor.catalogue.statement("SELECT 1")
    monitor.pending.append({statement: [0.001]})
    with unanswered():
        monitor.pending.append({statement: [0.002, 0.3]})
        folding.take_slow(monitor.SlowQuery(statement, 0.3, True, "default"))
    monitor.pending.append({statement: [0.004]})
    assert hand_over()
    assert (figures.overview(windows.HOUR).whole.calls, windows.total(), len(windows.slow_queries())) == (4, 4, 1)
    with client() as asked:
        assert windows.slow_share(asked) == 0.25


def test_what_redis_did_not_take_is_not_lost(hand_over: HandOver, settings: Settings) -> None:
    there = settings.TELEMETRY_REDIS_URL
    monitor.pending.append((monitor.catalogue.statement("SELECT 1"), 0.001))
    settings.TELEMETRY_REDIS_URL = "redis://127.0.0.1:1"
    assert not hand_over()
    settings.TELEMETRY_REDIS_URL = there
    hand_over()
    assert (figures.overview(windows.HOUR).whole.calls, windows.total()) == (1, 1)


def test_a_later_window_is_another_one() -> None:
    statement = monitor.catalogue.statement("SELECT 1")
    with outbox._calls:
        for now, seconds in ((1_000_000, 0.001), (1_000_400, 0.5)):
            monitor.pending.append((statement, seconds))
            folding.fold(now)
        found = sorted(folding._windows)
    assert found == [(300, 999_900), (300, 1_000_200), (3600, 997_200)]


@given(_seconds, _seconds, _seconds)
def test_merging_is_what_adding_all_would_have_been(one: list[float], two: list[float], three: list[float]) -> None:
    whole = Durations()
    whole.add(one + two + three, 0.1, 0.2)
    parts = []
    for seconds in (three, one, two):
        part = Durations()
        part.add(seconds, 0.1, 0.2)
        parts.append({"x": Durations.unpacked(part.packed())})
    together = merged(parts)["x"]
    assert (together.count, together.slow, together.very_slow) == (whole.count, whole.slow, whole.very_slow)
    assert together.bins == whole.bins
    assert together.quantiles(0.5, 0.99) == whole.quantiles(0.5, 0.99)


def test_a_quantile_is_one_per_cent_off_at_most() -> None:
    chance = Random(7)  # noqa: S311  no secret
    values = sorted(chance.lognormvariate(-6, 1.5) for _ in range(20_000))
    durations = Durations()
    durations.add(values, 0.1, 0.2)
    for share, found in zip((0.5, 0.9, 0.95, 0.99), durations.quantiles(0.5, 0.9, 0.95, 0.99), strict=True):
        assert found == pytest.approx(values[int(share * (len(values) - 1))], rel=0.0101)


def test_of_two_the_longer_one_is_the_99th_percentile() -> None:
    durations = Durations()
    durations.add([0.001, 1.0], 0.1, 0.2)
    median, high = durations.quantiles(0.5, 0.99)
    assert median == pytest.approx(0.001, rel=0.0101)
    assert high == pytest.approx(1.0, rel=0.0101)


def test_too_many_statements_are_taken_together() -> None:
    window = Window(0, 300)
    for number in range(MOST + 50):
        window.durations(str(number)).add([0.001], 1, 2)
    assert len(window.by_fingerprint) == MOST + 1
    assert window.by_fingerprint[OTHERS].count == 50


def test_machines_read_the_figures_with_the_token(db: None, settings: Settings) -> None:
    elsewhere(10, settings)
    settings.METRICS_TOKEN = "metrics-token-1"
    response = Client().get("/metrics/queries", headers={"Authorization": "Bearer metrics-token-1"})
    document = response.json()
    assert response.status_code == 200
    assert document["statistics"]["total_queries"] == 10
    assert document["statistics"]["slow_share"] == 0.1
    assert document["health"] == {"status": "degraded", "slow_threshold_ms": 100, "very_slow_threshold_ms": 200}
    [slow] = document["slowQueries"]
    assert slow["query"] == "SELECT elsewhere(?)"
    assert slow["duration_ms"] >= 30


def test_the_portal_could_watch_itself(db: None, settings: Settings) -> None:
    elsewhere(10, settings)
    settings.METRICS_TOKEN = "metrics-token-1"
    document = Client().get("/metrics/queries", headers={"Authorization": "Bearer metrics-token-1"}).json()
    [probe] = [probe for probe in PROBES if probe.id == "app.queries"]
    assert probe.read is not None
    samples = {sample.metric: sample.value for sample in probe.read((document | {"http_status": 200},))}
    assert samples["app.queries.total"] == 10
    assert samples["app.queries.slow_share"] == 0.1
    assert all(samples[f"app.queries.{name}"] for name in ("average", "p50", "p90", "p95", "p99"))


@pytest.mark.parametrize("header", ["", "Bearer ", "Bearer wrong", "Basic bWV0cmljcw=="])
def test_without_the_token_nobody_reads_them(db: None, settings: Settings, header: str) -> None:
    for token in ("", "metrics-token-1"):
        settings.METRICS_TOKEN = token
        response = Client().get("/metrics/queries", headers={"Authorization": header})
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        assert "statistics" not in response.json()


def test_people_read_them_by_their_role(devops: Person, viewer: Person, browser: Browser) -> None:
    assert browser(devops).get("/metrics/queries").json()["health"]["status"] == "unknown"
    assert browser(viewer).get("/metrics/queries").status_code == 401


def test_the_page_gives_the_verdict_first(dba: Person, viewer: Person, browser: Browser, settings: Settings) -> None:
    page = browser(dba)
    assert "The portal has sent no query yet" in page.get("/portal/queries/").content.decode()
    elsewhere(20, settings, every=1)
    text = page.get("/portal/queries/").content.decode()
    assert "own queries are unhealthy: " in text
    assert "SELECT elsewhere(?)" in text
    assert re.search(r"tests/telemetry/elsewhere\.py:\d+ main", text)
    one = page.get(f"/portal/queries/{ELSEWHERE}/").content.decode()
    assert "20 calls of" in one
    assert page.get("/portal/queries/0123456789abcdef/").status_code == 404
    assert browser(viewer).get("/portal/queries/").status_code == 403


def test_tables_are_files_too_and_keep_numbers_as_numbers(
    dba: Person, viewer: Person, browser: Browser, settings: Settings, hand_over: HandOver
) -> None:
    page, names = browser(dba), [f"SELECT {'x' * number}" for number in range(1, figures.SHOWN + 20)]
    for name in (*names, "=HYPERLINK(1)"):
        monitor.pending.append((monitor.catalogue.statement(name), 0.001))
    hand_over()
    elsewhere(20, settings, every=1)
    listed = page.get("/portal/queries/").content.decode()
    url, one = "/portal/queries/tables/statements", f"/portal/queries/{ELSEWHERE}/tables/"
    assert f'href="{url}.csv?span=hour"' in listed
    rows = page.get(f"{url}.json?span=day").json()["rows"]
    assert len(rows) > figures.SHOWN, "the page has no room for all, the file has"
    [row] = [row for row in rows if row["fingerprint"] == ELSEWHERE]
    assert (row["calls"], row["slow"], row["slow_share"]) == (20, 20, 1.0)
    assert row["p50"] > 20, "milliseconds, as a number"
    answer = page.get(f"{url}.csv")
    assert answer["Content-Disposition"] == 'attachment; filename="own-queries-hour.csv"'
    [told] = [
        one
        for one in csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
        if one["fingerprint"] == ELSEWHERE
    ]
    assert (told["text"], told["calls"]) == ("SELECT elsewhere(?)", "20")
    assert not re.search(r"(?m)(^|,)\"?=HYPERLINK", answer.content.decode())
    [window] = page.get(f"{one}windows.json").json()["rows"][-1:]
    assert window["calls"] > 0
    slow = page.get(f"{one}slow.json").json()["rows"]
    assert len(slow) == 20
    assert {one["very_slow"] for one in slow} <= {True, False}
    for path in (
        f"{url}.xlsx",
        f"{one}windows.xlsx",
        f"{one}nothing.csv",
        f"/portal/queries/{'0' * 16}/tables/slow.csv",
    ):
        assert page.get(path).status_code == 404, path
    for path in (f"{url}.csv", f"{one}windows.csv"):
        assert browser(viewer).get(path).status_code == 403, path


def test_the_page_of_a_statement_draws_its_calls_and_durations(
    dba: Person, browser: Browser, settings: Settings
) -> None:
    elsewhere(20, settings, every=1)
    page = browser(dba)
    text = page.get(f"/portal/queries/{ELSEWHERE}/").content.decode()
    drawn = {name: json.loads(found) for name, found in re.findall(r'data-figure="chart-(\w+)">(.*?)</script>', text)}
    assert list(drawn) == ["calls", "durations"]
    assert [trace["meta"]["label"] for trace in drawn["durations"]["data"]] == ["p50", "p95"]
    p50, p95 = ([value for value in trace["y"] if value is not None] for trace in drawn["durations"]["data"])
    assert 0 < p50[-1] <= p95[-1]
    assert len(drawn["calls"]["data"][0]["x"]) == windows.HOUR.windows
    assert "Each point tells all of 5 min, from the portal" in text.replace("\xa0", " ")
    points = page.get(f"/portal/queries/{ELSEWHERE}/tables/durations.json").json()["rows"]
    assert {point["name"] for point in points} == {"p50", "p95"}
    assert "chart-calls" in page.get(f"/portal/queries/{ELSEWHERE}/?span=day").content.decode()


def test_an_open_page_asks_for_what_is_new(dba: Person, browser: Browser, settings: Settings) -> None:
    page = browser(dba)
    version = page.get("/portal/queries/").context["version"]
    refreshed = {"HX-Request": "true"}
    assert page.get(f"/portal/queries/?version={version}", headers=refreshed).status_code == 204
    elsewhere(1, settings)
    response = page.get(f"/portal/queries/?version={version}", headers=refreshed)
    assert response.status_code == 200
    assert b"<html" not in response.content
    assert b"SELECT elsewhere(?)" in response.content


def test_without_redis_the_pages_say_so(dba: Person, browser: Browser, settings: Settings) -> None:
    page = browser(dba)
    settings.TELEMETRY_REDIS_URL = "redis://:s3cr3t@127.0.0.1:1"
    files = ("/portal/queries/tables/statements.csv", f"/portal/queries/{ELSEWHERE}/tables/windows.json")
    for path in ("/portal/queries/", f"/portal/queries/{ELSEWHERE}/", "/portal/logs/", "/metrics/queries", *files):
        response = page.get(path)
        assert response.status_code == 503
        assert "Redis does not answer" in response.content.decode()
        assert "s3cr3t" not in response.content.decode()


def test_the_document_tells_each_figure_and_the_page_what_took_the_most_time_first(hand_over: HandOver) -> None:
    many = monitor.catalogue.statement("SELECT many")
    monitor.pending.append({many: [number / 1000 for number in range(1, 91)]})
    monitor.pending.append({monitor.catalogue.statement("SELECT costly"): [5.0] * 10})
    hand_over()
    told = figures.report()["statistics"]
    expected = {"p50": 50, "p90": 90, "p95": 5000, "p99": 5000, "average": (90 * 91 / 2 + 50_000) / 100}
    assert {name: told[name] for name in expected} == pytest.approx(expected, rel=0.0101)
    assert (told["total_queries"], told["slow_queries"], told["slow_share"]) == (100, 10, 0.1)
    assert [row.text for row in figures.overview(windows.HOUR).rows] == ["SELECT costly", "SELECT many"]


def test_whatever_is_kept_in_redis_for_a_span_goes_with_it(hand_over: HandOver) -> None:
    monitor.pending.append((monitor.catalogue.statement("SELECT 1"), 0.5))
    hand_over()
    with client() as there:
        left = {key.decode(): there.ttl(key) for key in there.keys(f"{windows.PREFIX}*")}
    assert left.pop(windows.TOTAL) == -1, "how many there were at all"
    assert len(left) == 5, "two windows, a text, the tally and which batch was taken"
    assert all(0 < seconds <= windows.DAY.seconds + windows.DAY.length for seconds in left.values()), left
