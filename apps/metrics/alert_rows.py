"""Alerts as pages show them: with their check, how long they lasted, why they are quiet, what came before; grouped by node."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.metrics.alerts import Kind
from apps.metrics.dependence import OF_NODES
from apps.metrics.kernel import Check, State, Unit
from apps.metrics.models import Alert, Standing, Tier
from apps.metrics.occasions import BEFORE, Occasion, before, between
from apps.metrics.rows import MUTED
from apps.metrics.thresholds import limits


@dataclass(frozen=True, slots=True)
class AlertRow:
    """An alert with the check it is of (None when the check no longer exists), how long it lasted, and what was done just before."""

    alert: Alert
    check: Check | None
    lasted: timedelta
    after: Occasion | None = None

    @property
    def look(self) -> str:
        """How bad: the worst it was; muted while it calls nobody."""
        return MUTED if self.alert.quiet and not self.alert.closed_at else self.alert.state

    @property
    def silent(self) -> bool:
        """Whether it says that data are missing."""
        return self.alert.kind == Kind.SILENCE

    @property
    def unit(self) -> Unit:
        """The unit of its value."""
        return self.check.unit if self.check else Unit.COUNT

    @property
    def room_url(self) -> str:
        """The dashboard that shows the check; empty for checks of no room."""
        room = self.alert.check_id.partition(".")[0]
        return f"/t/{self.alert.tier.slug}/{room}/" if room in settings.TIER_ROOMS else ""


@dataclass(frozen=True, slots=True)
class Group:
    """The alerts of one node, or (empty name) of the tier; `silenced`: its verdicts without data, when it is down."""

    node: str
    rows: Sequence[AlertRow]
    down: bool
    silenced: int

    @property
    def look(self) -> str:
        """The worst of its alerts."""
        looks = [row.look for row in self.rows]
        return next((state.value for state in (State.FAIL, State.WARN) if state.value in looks), State.NO_DATA.value)


def rows(tier: Tier, found: Iterable[Alert], *, told: bool = False) -> list[AlertRow]:
    """Alerts of a tier as pages show them. `told`: also what people did just before each."""
    now, counting, listed = timezone.now(), limits(tier), list(found)
    done = _done(tier, listed) if told else []
    return [
        AlertRow(
            alert,
            counting.of(alert.check_id, alert.node.name if alert.node else ""),
            (alert.closed_at or now) - alert.opened_at,
            before(alert.opened_at, done),
        )
        for alert in listed
    ]


def _done(tier: Tier, found: Sequence[Alert]) -> list[Occasion]:
    opened = [alert.opened_at for alert in found]
    return between(tier, min(opened) - BEFORE, max(opened)) if opened else []


def sentence(opened: Sequence[Alert]) -> str:
    """How many alerts are open, how bad they are, and how many of them nobody has taken: what is to be known first."""
    if not opened:
        return _("No alert is open")
    silent = sum(alert.kind == Kind.SILENCE for alert in opened)
    failing = sum(alert.state == State.FAIL and alert.kind != Kind.SILENCE for alert in opened)
    counts = (
        ngettext("%(n)d fails", "%(n)d fail", failing) % {"n": failing} if failing else "",
        _warning(len(opened) - failing - silent),
        ngettext("%(n)d has no data", "%(n)d have no data", silent) % {"n": silent} if silent else "",
    )
    whole = ngettext("One alert is open", "%(n)d alerts are open", len(opened)) % {"n": len(opened)}
    return f"{whole}: {', '.join(filter(None, counts))}; {_untaken(opened)}"


def _warning(count: int) -> str:
    return ngettext("%(n)d warns", "%(n)d warn", count) % {"n": count} if count else ""


def _untaken(opened: Sequence[Alert]) -> str:
    free = sum(alert.acknowledged_at is None for alert in opened)
    if not free:
        return _("somebody has taken each of them")
    if free == len(opened):
        return _("nobody has taken any")
    return _("nobody has taken %(n)d of them") % {"n": free}


def groups(tier: Tier, opened: Sequence[Alert]) -> list[Group]:
    """Open alerts by node, the worst group first."""
    by_node: dict[str, list[AlertRow]] = {}
    for row in rows(tier, opened):
        by_node.setdefault(row.alert.node.name if row.alert.node else "", []).append(row)
    silent = _silent(tier)
    made = []
    for node, mine in by_node.items():
        down = any(row.alert.check_id == OF_NODES for row in mine)
        made.append(Group(node, mine, down, silent.get(node, 0) if down else 0))
    return sorted(made, key=lambda group: (not group.down, group.look != State.FAIL, group.node))


def _silent(tier: Tier) -> Mapping[str, int]:
    found = Standing.objects.filter(tier=tier, state__in=[State.NO_DATA.value, State.ERROR.value])
    return dict(found.exclude(node=None).values_list("node__name").annotate(Count("id")))
