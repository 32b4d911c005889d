"""What a dashboard asks of the store, read in few queries: nodes, verdicts, latest answers, lines."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, cached_property
from itertools import groupby

from django.utils import timezone

from apps.metrics import store
from apps.metrics.board import Board, Chart, NodeRows
from apps.metrics.histories import HistoryUnreachable
from apps.metrics.kernel import Direction, State, Verdict, worst
from apps.metrics.limits_drawn import Judged
from apps.metrics.lines import Line
from apps.metrics.models import Node, NodeStatus, Tier
from apps.metrics.present import SILENT, Present, polled, silent_at, status_of, version_of
from apps.metrics.probe import FAST
from apps.metrics.ranges import Range
from apps.metrics.registry import checks, checks_of, probes
from apps.metrics.thresholds import Limits, limits

SPARK = timedelta(hours=1)

SparkKey = tuple[str, str, str]


@dataclass
class Readings:
    """A room's BoardData: everything its page shows, read once.

    `verdicts` may be all of the tier's; only this room's are kept. `wanted`: probe ids whose answers are fetched together with the first
    one asked for; others cost a query each. `present`: where it is known already what `nodes` and `version` say. `unreadable`: why lines
    could not be read, in words.
    """

    tier: Tier
    room: str
    all_verdicts: Sequence[Verdict]
    wanted: frozenset[str] = frozenset()
    present: Present | None = None
    now: datetime = field(default_factory=timezone.now)
    unreadable: str = ""
    _answers: dict[str, list[NodeRows]] = field(default_factory=dict)

    @cached_property
    def verdicts(self) -> Sequence[Verdict]:
        """This room's verdicts; a check that has none yet counts as one without data."""
        found = [v for v in self.all_verdicts if v.check_id.startswith(f"{self.room}.")]
        judged = {v.check_id for v in found}
        missing = [Verdict(c.id, "", "", None, State.NO_DATA, None) for c in checks_of(self.room) if c.id not in judged]
        return found + missing

    @cached_property
    def limits(self) -> Limits:
        """The tier's checks with the thresholds that count."""
        return limits(self.tier)

    @cached_property
    def nodes(self) -> Sequence[Node]:
        """The tier's nodes by name, with their status."""
        if self.present:
            return self.present.nodes
        return list(Node.objects.filter(tier=self.tier).select_related("status").order_by("name"))

    def judged(self, chart: Chart) -> Judged:
        """What the limits of a chart depend on."""
        own = {node: check for (check_id, node), check in self.limits.of_nodes.items() if check_id == chart.check}
        statuses = ((node, status_of(node)) for node in self.nodes)
        roles = {node.name: (status.role if status else "") or node.role for node, status in statuses}
        return Judged(self.limits.of(chart.check), own, roles)

    @property
    def in_colour(self) -> list[str]:
        """The nodes' names as they were added, which is the order of their colours: a new one takes nobody's."""
        return [node.name for node in sorted(self.nodes, key=lambda node: node.pk)]

    def rows(self, probe_id: str) -> Sequence[NodeRows]:
        """Latest rows of a probe of any room, node by node."""
        if probe_id not in self._answers:
            self._answers |= store.answers(self.tier, {probe_id, *self.wanted} - self._answers.keys())
        return self._answers[probe_id]

    def state(self, *check_ids: str) -> State:
        """The worst state of these checks over all nodes and objects."""
        return worst([v.state for v in self._of(check_ids)])

    def value(self, check_id: str, node: str = "") -> float | None:
        """The worst value of a check (on one node, or over all), None where nothing is known."""
        fresh = [
            v.value for v in self._of([check_id]) if v.value is not None and v.state.known and node in {"", v.node}
        ]
        if not fresh:
            return None
        check = checks().get(check_id)
        return min(fresh) if check and check.direction is Direction.LOW else max(fresh)

    def at(self, check_id: str) -> datetime | None:
        """When the oldest value of that check was taken."""
        return min((v.at for v in self._of([check_id]) if v.at), default=None)

    def _of(self, check_ids: Iterable[str]) -> list[Verdict]:
        ids = set(check_ids)
        rooms = {check_id.partition(".")[0] for check_id in ids}
        source = self.verdicts if rooms == {self.room} else self.all_verdicts
        return [v for v in source if v.check_id in ids]

    @cached_property
    def polled_at(self) -> datetime | None:
        """The slot of the last poll that was kept."""
        return polled(self.nodes)

    @property
    def silent(self) -> bool:
        """Whether no poll has been kept lately: then nothing on the page is present."""
        return silent_at(self.polled_at, self.now)

    @property
    def down(self) -> list[NodeStatus]:
        """Nodes of the kinds this room asks that did not answer the last poll."""
        kinds = {probe.kind for probe in probes().values() if probe.id.startswith(f"{self.room}.")}
        found = [status_of(node) for node in self.nodes if node.kind in kinds]
        return [status for status in found if status and not status.up]

    @property
    def version(self) -> str:
        """Changes with each poll, and when something turns stale without one."""
        if self.present:
            return self.present.version
        return version_of(self.all_verdicts, self.polled_at, silent=self.silent)

    def stale(self, probe_id: str, node: str, at: datetime) -> bool:
        """Whether an answer is older than its schedule allows, or its node is down."""
        probe = probes().get(probe_id)
        every = probe.every if probe else FAST
        down = any(status.node.name == node for status in self.down)
        return down or self.now - at > every + SILENT

    def lines(self, charts: Sequence[Chart], within: Range) -> list[Line]:
        """The lines of all charts in the range: one query for each way of thinning out. None where that fails; see `unreadable`."""
        found: list[Line] = []
        for reduce, group in groupby(sorted(charts, key=lambda c: c.reduce), key=lambda c: c.reduce):
            metrics = sorted({metric for chart in group for metric in chart.metrics})
            found += self._lines(metrics, within.start, within.end, 300, reduce)
        return found

    def _lines(self, metrics: Sequence[str], start: datetime, end: datetime, points: int, reduce: str) -> list[Line]:
        if self.unreadable:  # once is enough: whoever does not answer takes its time
            return []
        try:
            return store.lines(self.tier, metrics, start, end, points, reduce)
        except HistoryUnreachable as problem:
            self.unreadable = str(problem)
            return []

    def sparks(self, metrics: Iterable[str]) -> Mapping[SparkKey, Sequence[float | None]]:
        """The last hour of these metrics by (metric, node, object), in 40 steps; no query where there are none."""
        wanted = sorted(set(metrics))
        if not wanted:
            return {}
        found = self._lines(wanted, self.now - SPARK, self.now, 40, "avg")
        return {(line.metric, line.node, line.object): line.values for line in found}


def readings(tier: Tier, board: Board, verdicts: Sequence[Verdict] | None = None) -> Readings:
    """What a board asks of a tier. `verdicts`: all of the tier's where they have been read already."""
    found = store.verdicts(tier) if verdicts is None else verdicts
    return Readings(tier, board.room, found, wanted_by(board))


def readings_now(tier: Tier, board: Board, known: Present) -> Readings:
    """What a board asks of a tier of which this is known already."""
    return Readings(tier, board.room, known.verdicts, wanted_by(board), known)


@cache
def wanted_by(board: Board) -> frozenset[str]:
    """The probes whose answers a board shows."""
    return frozenset({table.source for table in board.tables} | {check.source for check in checks_of(board.room)})
