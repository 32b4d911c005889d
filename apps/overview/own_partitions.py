"""The portal's own tables as their page shows them: which partitions there are, how they are kept, what was done; in words first."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from apps.metrics import upkeep
from apps.metrics.kernel import Check, State, worst
from apps.metrics.levels import LEVELS
from apps.metrics.models import Upkeep
from apps.metrics.units import duration
from apps.partitions import own_checks, own_store
from apps.partitions.own import OwnTable, summary

AHEAD, GAPS, OVERDUE, FAILING = (check.id for check in own_checks.CHECKS)
FIGURES = {AHEAD: "hours_left", GAPS: "gaps_ahead", OVERDUE: "overdue", FAILING: "failing_seconds"}
BAD = {State.WARN, State.FAIL}
SHOWN = 50  # of what was done


def titles() -> dict[str, str | Promise]:
    """What each table of history holds, in the order in which samples go through them."""
    return {
        upkeep.ROWS: gettext_lazy("Samples not packed yet"),
        upkeep.POLLS: gettext_lazy("Polls of nodes"),
        **{level.table: _("History: %(level)s") % {"level": level.title} for level in LEVELS},
    }


@dataclass(frozen=True, slots=True)
class Line:
    """A table in words; `state`: the worst of what is judged of it, or that its last try failed."""

    table: OwnTable
    title: str
    state: State

    @property
    def every(self) -> str:
        """How long its partitions are."""
        length = self.table.length
        if length is None:
            return _("irregular")
        days = round(length / timedelta(days=1))
        return ngettext("%(days)d day", "%(days)d days", days) % {"days": days}

    @property
    def error(self) -> str:
        """What its upkeep fails at."""
        return str(self.table.kept.get("error") or "")


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that the page shows."""

    at: datetime
    sentence: str
    lines: Sequence[Line]
    deeds: Sequence[Upkeep]
    questions: Sequence[str]

    @property
    def failing(self) -> bool:
        """Whether the last try of any table failed."""
        return any(line.error for line in self.lines)

    @property
    def version(self) -> str:
        """Changes with what the page says, but for its ages."""
        tables = [
            (line.state, line.error, line.table.spans, line.table.rows, line.table.total_bytes) for line in self.lines
        ]
        deeds = [(deed.pk, deed.tries, deed.over_at) for deed in self.deeds]
        return f"{zlib.crc32(repr((self.sentence, tables, deeds)).encode()):08x}"


def page(checks: Mapping[str, Check], now: datetime) -> Page:
    """Read and judged now. `checks`: with the thresholds that count."""
    names = titles()
    order = [*names]
    found = sorted(own_store.own_tables(now), key=lambda t: order.index(t.name) if t.name in order else len(order))
    lines = [Line(table, str(names.get(table.name, table.name)), _state(table, checks)) for table in found]
    deeds = list(Upkeep.objects.all()[:SHOWN])
    return Page(now, _sentence(found, checks), lines, deeds, own_store.asked())


def _judged(found: Sequence[OwnTable], checks: Mapping[str, Check]) -> dict[str, State]:
    values, age = summary(found), timedelta(0)
    return {name: checks[name].judge(values[figure], age) for name, figure in FIGURES.items()}


def _state(table: OwnTable, checks: Mapping[str, Check]) -> State:
    if not table.kept:
        return State.INCONCLUSIVE
    states = [*_judged([table], checks).values(), State.WARN if table.kept["error"] else State.PASS]
    return worst(states)


def _sentence(found: Sequence[OwnTable], checks: Mapping[str, Check]) -> str:
    """The verdict, to be read aloud: the worst first."""
    kept = [table for table in found if table.kept]
    states = _judged(kept, checks)
    first = min(kept, key=lambda t: float("inf") if t.hours_left is None else t.hours_left)
    if states[AHEAD] in BAD:
        return _ending(first)
    told = _late(kept, states) or _failing(kept)
    if told:
        return told
    if locked := next((table.name for table in kept if table.unread), ""):
        return _("A partition of %(table)s is locked at this moment: what it covers is not known.") % {"table": locked}
    return _("The portal's own tables have partitions for %(time)s more; none is past retention.") % {
        "time": duration((first.hours_left or 0) * 3600)
    }


def _ending(table: OwnTable) -> str:
    if not table.hours_left:
        return _("%(table)s has no partition for what is written now: no poll can be kept.") % {"table": table.name}
    return _("%(table)s has partitions for %(time)s more; the next are missing.") % {
        "table": table.name, "time": duration(table.hours_left * 3600),
    }  # fmt: skip


def _late(kept: Sequence[OwnTable], states: Mapping[str, State]) -> str:
    if states[GAPS] in BAD:
        table = next(table for table in kept if table.gaps_ahead)
        return _("A partition of %(table)s is missing between those that lie ahead.") % {"table": table.name}
    if states[OVERDUE] not in BAD:
        return ""
    late = sum(len(table.overdue) for table in kept)
    return ngettext(
        "%(n)d partition of history is past retention and still there.",
        "%(n)d partitions of history are past retention and still there.",
        late,
    ) % {"n": late}


def _failing(kept: Sequence[OwnTable]) -> str:
    """Said from the first failure on, though it warns later only: somebody looks."""
    failing = [table for table in kept if table.kept["error"]]
    if not failing:
        return ""
    table = max(failing, key=lambda table: table.failing_seconds)
    told = {
        "make": _("Making partitions of %(table)s fails: %(error)s."),
        "drop": _("Dropping partitions of %(table)s fails: %(error)s."),
    }
    return told[table.kept["failed"]] % {"table": table.name, "error": table.kept["error"]}
