"""OPSPORTAL_HISTORY=prometheus, on a real VictoriaMetrics: what is measured arrives, is read back, and waits while the store is away."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from django.test import Client
from pytest_django import Settings

from apps.accounts.models import Person
from apps.lab.layout import free_ports
from apps.metrics import histories, store
from apps.metrics.histories import HistoryUnreachable, Key, prometheus
from apps.metrics.histories.prometheus import PrometheusHistory
from apps.metrics.kernel import NodeKind
from apps.metrics.levels import HOUR, floored
from apps.metrics.models import Forwarding, Newest, Node, Standing, Tier, Unsent
from apps.metrics.names import external
from apps.metrics.poll import poll, slot_of
from apps.metrics.registry import checks
from apps.metrics.tasks import maintain
from apps.overview.summary import boards
from apps.telemetry import correlation
from tests.people import Browser
from tests.receivers import Hook

METRIC = "pools.pools.waiting"
SLOT = timedelta(seconds=10)
FROM = floored(datetime.now(UTC), HOUR) - HOUR
HOSTILE = 'ta"b\\le\n}'


@contextmanager
def running(directory: Path, *more: str) -> Iterator[str]:
    """The address of a VictoriaMetrics that shows what it got at once."""
    program = shutil.which("victoria-metrics") or shutil.which("victoria-metrics-prod")
    assert program, "victoria-metrics is missing: python3 -m tools.bootstrap test"
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    argv = [program, f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={directory}", "-search.latencyOffset=0s",
            "-memory.allowedBytes=64MB", "-search.disableCache", *more]  # fmt: skip
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={"PATH": os.environ["PATH"]}
        )
    try:
        end = time.monotonic() + 20
        while not _answers(f"{url}/health"):
            assert time.monotonic() < end, (directory / "log").read_text()[-2000:]
            time.sleep(0.05)
        yield url
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One for all tests."""
    with running(tmp_path_factory.mktemp("victoria")) as url:
        yield url


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1, trust_env=False).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture
def tier(db: None, request: pytest.FixtureRequest) -> Tier:
    """A tier of its own for each test, with one node."""
    tier = Tier.objects.create(slug=f"t{abs(hash(request.node.name)) % 10**9}", name="T")
    Node.objects.create(tier=tier, name="n", kind=NodeKind.POSTGRES, address="postgresql://h/d")
    return tier


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], PrometheusHistory]]:
    """`use(url)`: the portal keeps its history there, and pages read it there."""
    with ExitStack() as stack:

        def use(url: str) -> PrometheusHistory:
            chosen = stack.enter_context(closing(PrometheusHistory(url)))
            monkeypatch.setattr(store, "history", lambda: chosen)
            return chosen

        yield use


def flush(victoria: str) -> None:
    """What it took is found by queries from now on; by itself that happens within seconds."""
    httpx.get(f"{victoria}/internal/force_flush", timeout=10, trust_env=False).raise_for_status()


def write(history: PrometheusHistory, tier: Tier, slots: int, skip: range = range(0)) -> None:
    node = Node.objects.get(tier=tier).pk
    for number in range(slots):
        if number not in skip:
            values: dict[Key, float | None] = {
                (node, METRIC, ""): float(number),
                (node, METRIC, HOSTILE): None if number == 3 else 0.1,
            }
            history.write(tier, FROM + number * SLOT, values)


def test_what_was_sent_is_read_back_bin_by_bin(
    victoria: str, tier: Tier, use: Callable[[str], PrometheusHistory]
) -> None:
    history = use(victoria)
    write(history, tier, 36, skip=range(12, 24))
    assert history.settle(FROM) == 24
    assert not Unsent.objects.exists()
    end = FROM + 36 * SLOT

    def read(reduce: str, points: int) -> list[list[float | None]]:
        return [line.values for line in store.lines(tier, [METRIC], FROM, end, points, reduce)]  # type: ignore[misc]

    flush(victoria)
    numbers: list[float | None] = [float(n) for n in range(36)]
    assert read("last", 36)[0] == [*numbers[:12], None, *numbers[24:]]
    assert read("avg", 6)[0] == [2.5, 8.5, None, 26.5, 32.5]
    assert read("max", 6)[0][0] == 5.0
    assert read("min", 6)[0][0] == 0.0
    assert [found[0] for found in read("count", 6)] == [6.0, 5.0]
    lines = store.lines(tier, [METRIC], FROM, end, 6, "avg")
    assert [(line.metric, line.node, line.object) for line in lines] == [(METRIC, "n", ""), (METRIC, "n", HOSTILE)]
    assert lines[0].times[0] == FROM.timestamp()
    assert "from the store of history" in str(lines[0].grain)


def test_while_the_store_is_away_polls_wait_in_their_order_and_arrive_later(
    victoria: str, tier: Tier, use: Callable[[str], PrometheusHistory]
) -> None:
    (nobody,) = free_ports(1)
    away = use(f"http://127.0.0.1:{nobody}")
    write(away, tier, 3)
    later = FROM + timedelta(minutes=5)
    assert away.settle(later) == 0
    told = away.state(later)
    assert (told["history_waiting_polls"], told["history_behind_seconds"], told["history_lost_polls"]) == (3, 290.0, 0)
    assert "ConnectError" in told["history_message"]
    with pytest.raises(HistoryUnreachable, match="could not be read"):
        store.lines(tier, [METRIC], FROM, FROM + HOUR)
    back = use(victoria)
    assert back.settle(later) == 3
    assert back.state(later)["history_behind_seconds"] == 0
    flush(victoria)
    assert store.lines(tier, [METRIC], FROM, FROM + 3 * SLOT, 3, "last")[0].values == [0.0, 1.0, 2.0]


def test_no_more_wait_than_fit_and_what_is_dropped_is_counted(
    tier: Tier, use: Callable[[str], PrometheusHistory], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prometheus, "MOST_UNSENT", 5)
    history = use("http://127.0.0.1:1")
    write(history, tier, 8)
    assert list(Unsent.objects.order_by("id").values_list("at", flat=True)) == [FROM + n * SLOT for n in range(3, 8)]
    assert history.state(FROM + 8 * SLOT)["history_lost_polls"] == 3


def test_what_the_store_refuses_for_good_does_not_block_the_rest(
    victoria: str, tier: Tier, use: Callable[[str], PrometheusHistory]
) -> None:
    history = use(victoria)
    Unsent.objects.create(at=FROM, samples=1, body=b"no snappy")
    write(history, tier, 1)
    assert history.settle(FROM) == 2
    assert Forwarding.objects.get().lost == 1
    assert history.state(FROM)["history_lost_polls"] == 1


@pytest.fixture
def keep(tier: Tier, settings: Settings) -> Iterator[Callable[..., dict[str, tuple[str, float | None]]]]:
    """`keep(url, after)`: the portal keeps its history there from the next poll on; what two polls say of it, by check.

    What the first writes is sent, or not, before the second. The tier has no nodes: what the portal tells of itself is enough to send.
    """
    Node.objects.filter(tier=tier).delete()
    settings.HISTORY, slot = "prometheus", slot_of(datetime.now(UTC))

    def keep(url: str, after: timedelta = SLOT) -> dict[str, tuple[str, float | None]]:
        nonlocal slot
        settings.HISTORY_URL = url
        histories.history.cache_clear()
        with closing(histories.history()):  # type: ignore[type-var]
            for wait in (after, SLOT):
                slot += wait
                assert poll(tier, slot)
                histories.history().settle(slot)
            found = Standing.objects.filter(tier=tier, check_id__startswith="portal.history_")
            return {check: (state, value) for check, state, value in found.values_list("check_id", "state", "value")}

    yield keep
    histories.history.cache_clear()


def test_polls_that_a_store_refuses_for_good_are_told_for_a_day(
    tmp_path: Path,
    victoria: str,
    keep: Callable[..., dict[str, tuple[str, float | None]]],
    browser: Browser,
    viewer: Person,
) -> None:
    assert keep(victoria)["portal.history_lost"] == ("pass", 0)
    with running(tmp_path, "-maxInsertRequestSize=100") as narrow:
        assert keep(narrow)["portal.history_lost"] == ("warn", 1)
        page = " ".join(browser(viewer).get("/portal/").content.decode().split())
        assert "state-warn" in page.partition('<tr id="check-portal.history_lost">')[2].partition("</tr>")[0]
        assert "samples of 2 polls were lost: 400" in page
        assert keep(victoria)["portal.history_lost"] == ("warn", 2)
        assert keep(victoria, timedelta(days=1))["portal.history_lost"] == ("pass", 0)
        assert keep(narrow)["portal.history_lost"] == ("warn", 1), "counting begins anew"


def test_polls_that_wait_for_half_an_hour_are_told_until_they_are_taken(
    victoria: str, keep: Callable[..., dict[str, tuple[str, float | None]]]
) -> None:
    (nobody,) = free_ports(1)
    away = f"http://127.0.0.1:{nobody}"
    assert keep(away)["portal.history_behind"] == ("pass", 0)
    assert keep(away, timedelta(minutes=31))["portal.history_behind"][0] == "warn"
    assert keep(victoria)["portal.history_behind"] == ("pass", 0)


@pytest.mark.parametrize("status", [301, 307, 401, 403, 404, 413, 451])
def test_a_wrong_address_or_token_loses_nothing(
    status: int, hook: Hook, tier: Tier, use: Callable[[str], PrometheusHistory]
) -> None:
    """As of a Prometheus that takes no remote write (404), that moved (307), or behind a proxy whose token or largest body was changed."""
    history = use(f"http://127.0.0.1:{hook.port}")
    write(history, tier, 3)
    hook.answers = [status]
    assert history.settle(FROM) == 0
    told = history.state(FROM)
    assert (told["history_waiting_polls"], told["history_lost_polls"]) == (3, 0)
    assert str(status) in told["history_message"]
    assert history.settle(FROM) == 3
    assert len({one.body for one in hook.received}) == 3


def test_what_a_store_says_blocks_nothing_whatever_it_is(
    hook: Hook, tier: Tier, use: Callable[[str], PrometheusHistory]
) -> None:
    history = use(f"http://127.0.0.1:{hook.port}")
    write(history, tier, 2)
    hook.answers, hook.said = [400], b"out of order \x00\xff"
    assert history.settle(FROM) == 2
    assert history.state(FROM)["history_lost_polls"] == 1


def test_scrapers_read_the_newest_samples_whether_the_store_takes_them_or_not(
    tier: Tier, use: Callable[[str], PrometheusHistory], settings: Settings
) -> None:
    settings.METRICS_TOKEN = "a-token-for-machines"
    (nobody,) = free_ports(1)
    history, node, now = use(f"http://127.0.0.1:{nobody}"), Node.objects.get(tier=tier).pk, datetime.now(UTC)
    for number, ago in ((1.0, 20), (2.0, 10)):
        history.write(
            tier, now - timedelta(seconds=ago), {(node, METRIC, ""): number, (node, "node.state.up", ""): 1.0}
        )
    history.write(tier, now, {(node, "node.state.up", ""): 1.0})  # the other is not asked at each poll
    told = Client(headers={"Authorization": f"Bearer {settings.METRICS_TOKEN}"}).get("/metrics").content.decode()
    assert f'{external(METRIC)}{{tier="{tier.slug}",node="n"}} 2.0' in told
    assert f'pg_up{{tier="{tier.slug}",node="n"}} 1.0' in told


def test_upkeep_forgets_the_newest_sample_of_what_is_not_measured_any_more(
    tier: Tier, use: Callable[[str], PrometheusHistory], settings: Settings
) -> None:
    history, node, now = use("http://127.0.0.1:1"), Node.objects.get(tier=tier).pk, datetime.now(UTC)
    history.write(tier, now - settings.RAW_RETENTION - SLOT, {(node, METRIC, "gone"): 1.0, (node, METRIC, "kept"): 1.0})
    history.write(tier, now - settings.RAW_RETENTION + HOUR, {(node, METRIC, "kept"): 2.0})
    maintain()
    assert list(Newest.objects.filter(series__tier=tier).values_list("series__object", "value")) == [("kept", 2.0)]


def test_a_page_says_that_history_could_not_be_read_and_shows_the_rest(
    tier: Tier, use: Callable[[str], PrometheusHistory], browser: Browser, viewer: Person
) -> None:
    use("http://127.0.0.1:1")
    client = browser(viewer)
    page = client.get(f"/t/{tier.slug}/pools/").content.decode()
    assert "The store of history could not be read" in page
    assert "Nothing was measured in this range" not in page
    assert 'id="table-checks"' in page
    chart = next(board for board in boards() if board.room == "pools").charts[0]
    assert client.get(f"/t/{tier.slug}/pools/tables/{chart.id}.csv").status_code == 503


def test_no_two_metrics_have_one_name_outside() -> None:
    metrics = {check.metric for check in checks().values()} | {m for b in boards() for c in b.charts for m in c.metrics}
    assert len({external(metric) for metric in metrics}) == len(metrics)


def test_the_default_is_the_portal_s_own_store() -> None:
    assert type(histories.history()).__name__ == "PostgresHistory"


def test_samples_are_sent_and_asked_for_under_the_id_of_whoever_does_it(
    hook: Hook, tier: Tier, use: Callable[[str], PrometheusHistory]
) -> None:
    history = use(f"http://127.0.0.1:{hook.port}")
    write(history, tier, 1)
    with correlation.correlated("poll/1"):
        assert history.settle(FROM) == 1
    assert [request.headers.get("x-correlation-id") for request in hook.received] == ["poll/1"]
