"""Polling the real tier in a test: slot after slot without waiting for beat, and what the portal then says of a check.

Time between polls is the slots' own, ten seconds each, whatever the clock says: a minute of holding is six polls.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.conf import settings

from apps.lab import faults
from apps.lab.layout import Layout
from apps.lab.register import register
from apps.lab.tier import Lab
from apps.metrics.collect import Before, Collector
from apps.metrics.judge import Measured
from apps.metrics.kernel import Answer, NodeKind, NodeRole, NodeView, Sample, State, TierView, worst
from apps.metrics.models import Alert, Standing, Tier
from apps.metrics.poll import collector, poll, slot_of
from apps.metrics.probe import Probe, TierProbe
from apps.metrics.readers import Target

STEP = timedelta(seconds=settings.POLL_SECONDS)


class Watch:
    """A tier under watch; each `poll` is the next slot."""

    def __init__(self, tier: Tier) -> None:
        self.tier = tier
        self.slot = slot_of(datetime.now(UTC))

    def poll(self, times: int = 1, *, after: timedelta = STEP) -> Measured:
        """Poll the next slots; what the last one measured. `after`: a whole number of slots, those between being missed."""
        self.slot += after
        measured = poll(self.tier, self.slot)
        assert measured is not None, "nobody else polls this tier"
        return measured if times == 1 else self.poll(times - 1, after=after)

    def state(self, check_id: str, node: str = "", of: str | None = None) -> State:
        """The worst standing of a check (on one node, of one object)."""
        found = Standing.objects.filter(tier=self.tier, check_id=check_id)
        if node:
            found = found.filter(node__name=node)
        if of is not None:
            found = found.filter(object=of)
        return worst([State(state) for state in found.values_list("state", flat=True)])

    def value(self, check_id: str) -> float | None:
        """The value of a check that has one standing."""
        return Standing.objects.get(tier=self.tier, check_id=check_id).value

    def turns(self, check_id: str, *states: State, polls: int = 12, node: str = "") -> None:
        """Poll until the check says one of these states; the test fails when it does not."""
        for _ in range(polls):
            self.poll()
            if self.state(check_id, node) in states:
                return
        pytest.fail(f"{check_id} is {self.state(check_id, node)} after {polls} polls, not {' or '.join(states)}")

    def alerts(self, check_id: str) -> list[Alert]:
        """Open alerts of a check."""
        return list(Alert.objects.filter(tier=self.tier, check_id=check_id, closed_at=None))


@pytest.fixture
def watch(lab: object, layout: Layout, db: None) -> Iterator[Watch]:
    """The lab's tier, known to the portal and polled once. Its connections end with it: the next test's nodes are others."""
    register(layout)
    watching = Watch(Tier.objects.get(slug="lab"))
    watching.poll()
    yield watching
    collector().close()
    collector.cache_clear()


class Asking:
    """One node asked directly, without the store: its answers, samples and view, poll after poll."""

    def __init__(self, kind: NodeKind, url: str, probes: Sequence[Probe]) -> None:
        self.target = Target(1, "it", kind, NodeRole.NONE, url)
        self.probes = [probe for probe in probes if probe.kind is kind]
        self._collector = Collector(timedelta(seconds=4))
        self._before: dict[tuple[int, str], Before] = {}
        self._told: dict[str, tuple[datetime, tuple[Mapping[str, object], ...]]] = {}
        self.at = datetime.now(UTC)

    def ask(self) -> NodeView:
        """Ask all probes once more; raises AssertionError with the failure when the node does not answer."""
        (polled,) = self._collector.poll([self.target], {1: self.probes}, self._before)
        assert polled.failure is None, polled.failure
        for answer in polled.answers.values():
            assert answer.failure is None, (answer.probe_id, answer.failure)
            self._before[1, answer.probe_id] = Before(answer.rows, polled.at)
        return polled.view

    def derive(
        self, probe: TierProbe, view: NodeView
    ) -> tuple[list[Mapping[str, object]], dict[tuple[str, str], float | None]]:
        """Rows and samples of a tier probe, ten seconds after the one before."""
        self.at += STEP
        at, rows = self._told.get(probe.id, (None, ()))
        told, samples = probe.derive(TierView(self.at, (view,), previous=rows, previous_at=at))
        kept = tuple(told)
        self._told[probe.id] = (self.at, kept)
        return list(kept), values(samples)

    def close(self) -> None:
        """Hang up."""
        self._collector.close()


def values(samples: object) -> dict[tuple[str, str], float | None]:
    """Samples by metric and object."""
    assert isinstance(samples, (list, tuple)) or hasattr(samples, "__iter__")
    return {(sample.metric, sample.object): sample.value for sample in samples if isinstance(sample, Sample)}


def samples_of(answer: Answer) -> dict[tuple[str, str], float | None]:
    """The samples of one answer by metric and object."""
    return values(answer.samples)


def flush(connection: psycopg.Connection) -> None:
    """Have the statistics of this session's work seen. Before PostgreSQL 15 a statement sends them once in half a second: repeat it."""
    connection.execute("SELECT pg_stat_force_next_flush()" if connection.info.server_version >= 150000 else "SELECT")


@pytest.fixture
def heal(lab: Lab) -> Callable[[str], object]:
    """Heal one fault within a test: `heal("stop-redis")`."""
    return lambda name: faults.heal(lab.servers, name)
