"""Where the watch of a week stands, as it is kept: of each entry what was observed, what it still needs, and what that makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext as _

from apps.metrics.kernel import State, worst
from apps.metrics.registry import checks
from apps.metrics.units import duration
from apps.rollouts.tally import Judged, Tally, Terms, judged, looked, tally_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from apps.playbook.plan import Watch as Plan
    from apps.playbook.plan import WatchEntry, Week
    from apps.rollouts.models import Watch
    from apps.rollouts.progress import Done


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a watch as it stands. `terms`: what the portal's measurements are held to, None where only people look."""

    entry: WatchEntry
    tally: Tally
    terms: Terms | None
    looks_needed: int
    state: State
    said: str
    settled: bool

    @property
    def shadow(self) -> bool:
        """Measured and shown, never part of a verdict."""
        known = checks().get(self.entry.check)
        return known is not None and known.shadow


def entries_of(week: Week, done: Done) -> tuple[Entry, ...]:
    """The entries of a week's watch; before it began, or since another deployment, nothing is known of any."""
    plan = week.watch
    if plan is None:
        return ()
    watch = done.watch
    if watch is None or outdated(done):
        why = outdated(done) or _("not watched yet")
        return tuple(_nothing(plan, entry, why) for entry in plan.entries)
    return standing_of(plan, watch.tallies, over=watch.ended_at is not None)


def standing_of(plan: Plan, tallies: Mapping[str, Any], *, over: bool) -> tuple[Entry, ...]:
    """Every entry by its tally. `over`: nothing more will be observed."""
    return tuple(_entry(plan, entry, tally_of(tallies.get(entry.slug)), over=over) for entry in plan.entries)


def _entry(plan: Plan, entry: WatchEntry, tally: Tally, *, over: bool) -> Entry:
    terms, needed = terms_of(plan, entry), looks_of(plan, entry)
    found = judged(tally, terms) if terms else looked(tally, needed, entry.max_tolerated_failures, over=over)
    return Entry(entry, tally, terms, needed, found.state, found.said, found.settled)


def _nothing(plan: Plan, entry: WatchEntry, why: str) -> Entry:
    found = Judged(State.INCONCLUSIVE, why, settled=False)
    return Entry(entry, Tally(), terms_of(plan, entry), looks_of(plan, entry), found.state, found.said, found.settled)


def terms_of(plan: Plan, entry: WatchEntry) -> Terms | None:
    """What an entry is held to; None where it names no check."""
    if entry.every is None:
        return None
    return Terms.of(
        plan.length,
        entry.every,
        plan.coverage,
        plan.max_gap,
        entry.max_tolerated_failures,
        entry.consecutive_errors_allowed,
    )


def looks_of(plan: Plan, entry: WatchEntry) -> int:
    """In how many intervals a person looks."""
    return int(plan.length / entry.look_every) if entry.look_every else 0


def verdict(entries: Sequence[Entry]) -> State:
    """The worst of all entries; of none, INCONCLUSIVE."""
    return worst([entry.state for entry in entries if not entry.shadow])


def outdated(done: Done) -> str:
    """Why the watch does not count any more, in words; empty while it does."""
    if done.watch and done.deployments and done.deployments[-1].at > done.watch.at:
        return _("deployed again since the watch began")
    if done.watch and any(one.rewatch and one.at > done.watch.at for one in done.amendments):
        return _("another watch was adopted since this one began")
    return ""


def runs(done: Done) -> bool:
    """Whether a watch of the present deployment is under way."""
    return done.watch is not None and done.watch.ended_at is None and not outdated(done)


def unlooked(week: Week, done: Done, now: datetime) -> tuple[WatchEntry, ...]:
    """What only people look after and nobody has looked at in the present interval of a running watch."""
    watch, plan = done.watch, week.watch
    if plan is None or watch is None or not runs(done) or not watch.begins <= now < watch.ends:
        return ()
    return tuple(
        entry
        for entry in plan.entries
        if entry.look_every and not entry.check
        if tally_of(watch.tallies.get(entry.slug)).looks <= int((now - watch.begins) / entry.look_every)
    )


def in_words(week: Week, done: Done, now: datetime | None = None) -> str:
    """The watch in a few words: not started, how long it still runs and what somebody should look at, or how it ended."""
    watch, now = done.watch, now or datetime.now(UTC)
    if watch is None:
        return _("not started")
    if why := outdated(done):
        return why
    if watch.ended_at is not None:
        return watch.said
    looks = unlooked(week, done, now)
    return to_go(watch, now) + (_("; look at: %(what)s") % {"what": ", ".join(e.title for e in looks)} if looks else "")


def to_go(watch: Watch, now: datetime) -> str:
    """How long a watch still runs, in words."""
    left = watch.ends - now
    if left <= timedelta(0):
        return _("over; the last samples are being read")
    minute, hour = timedelta(minutes=1), timedelta(hours=1)
    coarse = minute if left >= 10 * minute else timedelta(seconds=1)
    if left >= 48 * hour:
        coarse = hour
    return _("runs, %(time)s to go") % {"time": duration((left // coarse * coarse).total_seconds())}


def covered_share(entries: Sequence[Entry]) -> float | None:
    """The smallest share of its intervals that was measured, of the entries that the portal measures; None where it measures none."""
    shares = [e.tally.measured / e.terms.expected for e in entries if e.terms is not None and not e.shadow]
    return min(shares, default=None)
