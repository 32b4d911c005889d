"""The programme as a timeline: what was planned for which day, what happened when, and how far the two are apart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from itertools import groupby

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.playbook.plan import Duty, KnownIssue, Week
from apps.rollouts.dates import Planned, Span, planned
from apps.rollouts.models import Deployment, Issue, Note, Rollout
from apps.rollouts.progress import Progress, progress
from apps.rollouts.schedule import first_monday, today, zone_of
from apps.rollouts.start import playbook_of


@dataclass(frozen=True, slots=True)
class Seen:
    """A line of a week's issue table with what was noted of it."""

    known: KnownIssue
    issues: tuple[Issue, ...]

    @property
    def still_open(self) -> int:
        """How many of them are open."""
        return sum(issue.resolved_at is None for issue in self.issues)


@dataclass(frozen=True, slots=True)
class Row:
    """A week: its dates (None where the rollout has none), what happened and when. `late`: days past its planned end, 0 for none."""

    at: Progress
    planned: Planned | None
    started: datetime | None
    signed: datetime | None
    late: int
    log: tuple[tuple[date, tuple[Deployment, ...]], ...]
    notes: tuple[Note, ...]
    seen: tuple[Seen, ...]

    @property
    def week(self) -> Week:
        """What the playbook says of it."""
        return self.at.week

    @property
    def deployed(self) -> datetime | None:
        """When it was deployed last."""
        return self.at.done.deployments[-1].at if self.at.done.deployments else None

    @property
    def numbers(self) -> str:
        """Its calendar weeks, such as 3–4; empty for a preparation and without dates."""
        if self.planned is None or self.planned.numbers == (0, 0):
            return ""
        first, last = self.planned.numbers
        return str(first) if first == last else f"{first}–{last}"


@dataclass(frozen=True, slots=True)
class Timeline:
    """A rollout over its weeks. `stabilisation` and every row's dates are None when it has no first Monday."""

    rollout: Rollout
    zone: tzinfo
    today: date
    first_monday: date | None
    rows: tuple[Row, ...]
    stabilisation: Span | None
    duties: tuple[Duty, ...]

    @property
    def blockers(self) -> list[tuple[Week, Issue]]:
        """What must be closed before somebody can approve."""
        return [(row.week, issue) for row in self.rows for issue in row.at.done.blockers]

    @property
    def current(self) -> Row | None:
        """The week under way; None when all are signed."""
        return next((row for row in self.rows if row.at.open and not row.at.signed), None)

    @property
    def verdict(self) -> str:
        """Where it stands, in a sentence to be read aloud."""
        name, current = {"name": self.rollout.name}, self.current
        if current is None:
            return _("%(name)s is signed to its end") % name
        if self.first_monday is None:
            return _("%(name)s has no dates yet") % name
        if current.late:
            days = ngettext("%(n)d day", "%(n)d days", current.late) % {"n": current.late}
            return _("%(name)s is %(days)s behind its plan") % {**name, "days": days}
        ahead = (self.first_monday - self.today).days
        if ahead > 0:
            days = ngettext("%(n)d day", "%(n)d days", ahead) % {"n": ahead}
            return _("%(name)s is on plan; its first block begins in %(days)s") % {**name, "days": days}
        text = _("%(name)s is in week %(week)d and on plan")
        if any(row.late for row in self.rows):
            text = _("%(name)s is in week %(week)d and on plan again")
        return text % {**name, "week": -ahead // 7 + 1}

    @property
    def under_way(self) -> str:
        """The week that is under way and what it needs next, in words; empty when all are signed."""
        if self.current is None:
            return ""
        early = self.first_monday is not None and self.first_monday > self.today
        text = _("Under way until then: %(week)s. %(next)s") if early else _("Under way: %(week)s. %(next)s")
        return text % {"week": self.current.week.title, "next": self.current.at.next_steps}


def timeline(rollout: Rollout) -> Timeline:
    """The timeline of a rollout as it stands: two queries beyond its progress."""
    zone, now, monday = zone_of(rollout.tier), today(rollout.tier), first_monday(rollout)
    plan, weeks = playbook_of(rollout).plan, progress(rollout)
    dates, after = planned([at.week for at in weeks], monday, zone) if monday else ([None] * len(weeks), None)
    notes = list(rollout.notes.select_related("by"))
    rows = tuple(_row(at, when, zone, now, notes) for at, when in zip(weeks, dates, strict=True))
    return Timeline(rollout, zone, now, monday, rows, after, plan.stabilisation)


def _row(at: Progress, when: Planned | None, zone: tzinfo, now: date, notes: Sequence[Note]) -> Row:
    signed = max((slot.signature.at for slot in at.slots if slot.signature), default=None) if at.signed else None
    ended = signed.astimezone(zone).date() if signed else now
    late = max((ended - when.span.last).days, 0) if when else 0
    return Row(
        at,
        when,
        min(_begun(at), default=None),
        signed,
        late,
        tuple(_log(at.done.deployments, zone)),
        tuple(note for note in notes if note.week == at.week.slug),
        tuple(_seen(at)),
    )


def _begun(at: Progress) -> Iterator[datetime]:
    """When something was done in a week."""
    yield from (tick.at for tick in at.done.ticks.values())
    yield from (baseline.at for baseline in at.done.baselines.values())
    yield from (deployment.at for deployment in at.done.deployments)


def _log(deployments: Sequence[Deployment], zone: tzinfo) -> Iterator[tuple[date, tuple[Deployment, ...]]]:
    """The deployments day by day, where the tier is."""
    for day, of_day in groupby(deployments, key=lambda deployment: deployment.at.astimezone(zone).date()):
        yield day, tuple(of_day)


def _seen(at: Progress) -> Iterator[Seen]:
    for known in at.week.issues:
        yield Seen(known, tuple(issue for issue in at.done.issues if issue.known == known.slug))
