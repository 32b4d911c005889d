"""The portal itself, as its page shows it: read and judged at this moment, in words first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db.models import Max
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.ledger.state import Witnessing, witness
from apps.metrics import silence, store, upkeep
from apps.metrics.board import Fact
from apps.metrics.checks import SILENT_AFTER
from apps.metrics.inward import Judged, judged
from apps.metrics.inward_checks import SILENCE
from apps.metrics.kernel import Row, State, Unit, Verdict, worst
from apps.metrics.models import NodeStatus, Tier
from apps.metrics.registry import tier_probes
from apps.metrics.rows import CheckRow
from apps.metrics.templatetags.figures import threshold
from apps.metrics.units import show
from apps.overview.own_partitions import FIGURES, titles
from apps.telemetry import tracing

PARTITIONS = (
    "portal.partitions_ahead",
    "portal.partitions_gaps",
    "portal.partitions_overdue",
    "portal.partitions_upkeep",
)
_ORDER = (State.FAIL, State.ERROR, State.NO_DATA, State.WARN, State.INCONCLUSIVE, State.PASS)


@dataclass(frozen=True, slots=True)
class Polled:
    """A tier and the last poll of it that was kept; `state`: whether that is in time."""

    tier: Tier
    last: datetime | None
    state: State


@dataclass(frozen=True, slots=True)
class Kept:
    """A table of the portal's own history, or its whole database: how large, for how long it is kept, and up to when it is filled."""

    title: str
    name: str
    partitions: int | None
    size_bytes: int
    days: int | None


@dataclass(frozen=True, slots=True)
class Own:
    """Everything that the page of the portal shows."""

    at: datetime
    sentence: str
    remedy: str
    facts: Sequence[Fact]
    checks: Sequence[CheckRow]
    polled: Sequence[Polled]
    kept: Sequence[Kept]
    traces: tracing.State
    problem: str

    @property
    def version(self) -> str:
        """Changes with each poll that was kept, and when a state changes without one."""
        last = max((one.last for one in self.polled if one.last), default=None)
        states = "".join(row.verdict.state.value[0] for row in self.checks)
        return f"{last:%H%M%S}-{states}" if last else f"{self.at:%H%M%S}-{states}"


def own(tiers: Sequence[Tier], tier: Tier, now: datetime) -> Own:
    """Read everything now. `tiers`: those that the person may see; `tier`: the one whose thresholds and polls are judged."""
    polled = _polled(tiers, now)
    last = next((one.last for one in polled if one.tier.pk == tier.pk), None)
    found = judged(tier, last, now)
    quiet = silence.now()
    silent = [one for one in polled if one.state is State.FAIL]
    return Own(
        at=now,
        sentence=_sentence(found, silent, quiet),
        remedy=quiet.remedy if silent else "",
        facts=_facts(found, last),
        checks=_checks(found),
        polled=polled,
        kept=_kept(),
        traces=tracing.state(),
        problem=str(found.itself["problem"]),
    )


def _polled(tiers: Sequence[Tier], now: datetime) -> list[Polled]:
    slots = dict(NodeStatus.objects.filter(node__tier__in=tiers).values_list("node__tier").annotate(last=Max("slot")))
    made = []
    for tier in tiers:
        last = slots.get(tier.pk)
        late = last is None or (now - last).total_seconds() > SILENT_AFTER
        made.append(Polled(tier, last, State.FAIL if late else State.PASS))
    return made


def _sentence(found: Judged, silent: Sequence[Polled], quiet: silence.Silence) -> str:
    """The verdict, to be read aloud."""
    if silent:
        never = all(one.last is None for one in silent)
        told = _("Nothing has been polled yet: %(why)s.") if never else _("The portal is silent: %(why)s.")
        return told % {"why": quiet.cause}
    bad = [v for state in (State.FAIL, State.WARN) for v in found.verdicts if v.state is state]
    if not bad:
        return _unknown(found) or _("The portal works: every tier was polled in time, and nothing waits for long.")
    first, check = bad[0], found.limits.checks[bad[0].check_id]
    told = _("%(what)s: %(value)s (%(limit)s).") % {
        "what": check.title, "value": show(first.value, check.unit), "limit": threshold(check),
    }  # fmt: skip
    if len(bad) == 1:
        return told
    rest = ngettext("%(n)d more of its checks needs a look.", "%(n)d more of its checks need a look.", len(bad) - 1)
    return f"{told} {rest % {'n': len(bad) - 1}}"


def _unknown(found: Judged) -> str:
    """Of what nothing is known now; empty where there is nothing. What is not set up, such as a key of the ledger, is not unknown."""
    if found.itself["problem"]:
        told = _("Every tier was polled in time; of queue, own queries and log lines nothing is known now: %(why)s")
        return told % {"why": found.itself["problem"]}
    unknown = [v for v in found.verdicts if v.state in {State.ERROR, State.NO_DATA}]
    titles = ", ".join(str(found.limits.checks[v.check_id].title) for v in unknown)
    told = _("Every tier was polled in time; not known now: %(what)s.")
    return told % {"what": titles} if titles else ""


def _facts(found: Judged, last: datetime | None) -> list[Fact]:
    """The reasons: each part in a few words, with the state of its checks."""
    row, polls = found.itself, found.polls
    parts: tuple[tuple[str, str, tuple[str, ...]], ...] = (
        (_("Polling"), _polling_words(polls), (SILENCE, "portal.missed_slots")),
        (_("Worker"), _seen(row["worker_seconds"]), ("portal.worker",)),
        (_("Beat"), _seen(row["beat_seconds"]), ("portal.beat",)),
        (_("Queue"), _waiting(row["queue_waiting"], row["queue_seconds"]), ("portal.queue_wait", "portal.queue_depth")),
        (_("Store"), _writes(polls), ("portal.store_writes",)),
        (_("Outbox"), _outbox(row), ("portal.outbox_age", "portal.outbox_backlog", "portal.outbox_given_up")),
        (_("Ledger"), _ledger(row), ("portal.ledger_sound", "portal.ledger_checked")),
        (_("History"), _history(polls, row), ("portal.history_behind", "portal.history_lost", "portal.history_damaged")),
        (_("Partitions"), _partitions(found), tuple(FIGURES)),
        (_("Own queries"), _slow(row["slow_share"]), ("portal.own_queries",)),
        (_("Log lines"), _dropped(row["lines_dropped"]), ("portal.log_dropped",)),
    )  # fmt: skip
    by_id = {v.check_id: v.state for v in found.verdicts}
    return [
        Fact(title, text, worst([by_id[check] for check in checks]), last if title == _("Polling") else found.at, checks[0])
        for title, text, checks in parts
    ]  # fmt: skip


def _polling_words(polls: Row) -> str:
    missed = ngettext("%(n)d poll missed in ten minutes", "%(n)d polls missed in ten minutes", polls["missed_slots"])
    return _("last %(age)s ago, %(missed)s") % {
        "age": show(polls["silent_seconds"], Unit.SECONDS), "missed": missed % {"n": polls["missed_slots"]},
    }  # fmt: skip


def _seen(seconds: float | None) -> str:
    if seconds is None:
        return _("none has said that it lives, or it was stopped in an orderly way")
    return _("said %(age)s ago that it lives") % {"age": show(seconds, Unit.SECONDS)}


def _waiting(count: int | None, seconds: float | None) -> str:
    if count is None:
        return _("not known")
    if not count:
        return _("nothing waits")
    return _("%(n)d waiting, the oldest for %(age)s") % {"n": count, "age": show(seconds or 0.0, Unit.SECONDS)}


def _outbox(row: Row) -> str:
    told, lost = _waiting(row["outbox_waiting"], row["outbox_seconds"]), row["outbox_given_up"]
    given_up = ngettext("%(n)d was given up within a day", "%(n)d were given up within a day", lost) % {"n": lost}
    return f"{told}; {given_up}" if lost else told


def _writes(polls: Row) -> str:
    lost = polls["unkept_slots"]
    told = ngettext(
        "%(n)d poll of ten minutes was not kept", "%(n)d polls of ten minutes were not kept", lost
    )  # fmt: skip
    return told % {"n": lost} if lost else _("every poll of ten minutes was kept")


def _ledger(row: Row) -> str:
    if row["ledger_finding"]:
        return str(row["ledger_finding"])
    if row["ledger_seconds"] is None:
        return _("never examined and signed: no key is set, or no worker has run")
    told = _("%(n)d entries examined from the first to the last and signed %(age)s ago") % {
        "n": row["ledger_entries"], "age": show(row["ledger_seconds"], Unit.SECONDS),
    }  # fmt: skip
    state, _cosigned, said = witness()
    words = {Witnessing.NONE: _("no witness is set up"), Witnessing.SIGNED: _("the witness signed too")}
    return f"{told}; {words.get(state, said)}"


def _history(polls: Row, row: Row) -> str:
    behind, lost, bad = polls["history_behind_seconds"], polls["history_lost_polls"], row["history_damaged"]
    parts = []
    if lost:
        told = ngettext("samples of %(n)d poll were lost", "samples of %(n)d polls were lost", lost) % {"n": lost}
        said = polls["history_message"]  # until something is taken again
        parts.append(f"{told}: {said}" if said else told)
    if behind:
        parts.append(_("%(age)s late") % {"age": show(behind, Unit.SECONDS)})
    if bad:
        parts.append(ngettext("%(n)d chunk is damaged", "%(n)d chunks are damaged", bad) % {"n": bad})
    if bad is None:
        parts.append(_("whether chunks are damaged is not known"))
    return "; ".join(parts) or _("rolled up in time, on every level")


def _partitions(found: Judged) -> str:
    """What the partitions room says of the portal's own tables; the worst first."""
    hours, gaps, overdue, failing = (v.value for name in FIGURES for v in found.verdicts if v.check_id == name)
    if failing:
        return _("making or dropping fails for %(age)s") % {"age": show(failing, Unit.SECONDS)}
    if overdue:
        told = ngettext("%(n)d is past retention", "%(n)d are past retention", int(overdue))
        return told % {"n": overdue}
    if hours is None:
        return _("not known at this moment: one is locked")
    told = _("made for %(age)s more, without a gap") if not gaps else _("made for %(age)s more; then there is a gap")
    return told % {"age": show(hours, Unit.HOURS)}


def _slow(share: float | None) -> str:
    if share is None:
        return _("none counted in ten minutes")
    return _("%(share)s were slow within ten minutes") % {"share": show(share, Unit.RATIO)}


def _dropped(count: int | None) -> str:
    if count is None:
        return _("not known")
    return _("%(n)d dropped within two hours") % {"n": count} if count else _("none dropped")


def _checks(found: Judged) -> list[CheckRow]:
    rows: Mapping[str, Any] = {**found.rows, "portal.polling": found.polls, "portal.itself": found.itself}
    made = [_check(found, verdict, rows) for verdict in found.verdicts]
    return sorted(made, key=lambda row: _ORDER.index(row.verdict.state))


def _check(found: Judged, verdict: Verdict, rows: Mapping[str, Any]) -> CheckRow:
    check = found.limits.checks[verdict.check_id]
    raw = orjson.dumps(rows[check.source], option=orjson.OPT_INDENT_2, default=str).decode()
    return CheckRow(
        check, verdict, verdict.state.value, show(verdict.value, check.unit), False, tier_probes()[check.source].says, raw, True
    )  # fmt: skip


def _kept() -> list[Kept]:
    """The tables of history, level by level, and the whole database."""
    found = {row["name"]: row for row in store.own_tables()}
    days = {table: kept.days for table, kept in upkeep.retention().items()}
    names = {**titles(), "": _("The whole database")}
    return [
        Kept(str(title), name, found[name]["partitions"], found[name]["bytes"], days.get(name))
        for name, title in names.items()
        if name in found
    ]
