"""What the store has of a watch that was not observed yet: one query of samples and one of polls, whatever there is to catch up with."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from apps.metrics import store
from apps.metrics.kernel import State
from apps.metrics.levels import HOUR
from apps.metrics.models import Tier
from apps.metrics.registry import checks
from apps.playbook.plan import Watch as Plan
from apps.rollouts.models import Watch
from apps.rollouts.observing import Interval, Seen, Store, Watched, intervals, read_from, watched
from apps.rollouts.tally import tally_of

MOST = 400
"""Intervals of one entry that are observed in one go; after a long stop the next goes on."""
GRACE_POLLS = 3
"""An interval is observed when this many polls could have been written since it was over."""


@dataclass(frozen=True, slots=True)
class _Due:
    """Intervals of an entry that are over; `watched` is None where this version of the portal does not know its check any more."""

    slug: str
    watched: Watched | None
    intervals: list[Interval]


def unobserved(watch: Watch, plan: Plan, now: datetime) -> dict[str, list[Seen]]:
    """
    What can be observed of a watch at a moment and was not yet, by the slug of the entry.

    Raises:
        HistoryUnreachable: history is kept elsewhere, and does not answer.
    """
    due = list(_due(watch, plan, now))
    known = [(one.slug, one.watched, one.intervals) for one in due if one.watched is not None]
    gone = {one.slug: [Seen(i, State.NO_DATA, None) for i in one.intervals] for one in due if one.watched is None}
    return gone | (_read(watch.rollout.tier, known) if known else {})


def _due(watch: Watch, plan: Plan, now: datetime) -> Iterator[_Due]:
    until = min(now - GRACE_POLLS * timedelta(seconds=settings.POLL_SECONDS), watch.ends)
    for entry in plan.entries:
        if entry.every is None:
            continue
        first = tally_of(watch.tallies.get(entry.slug)).seen
        over = intervals(watch.begins, entry.every, first, until, MOST)
        check = checks().get(entry.check)
        if over:
            yield _Due(entry.slug, watched(check, watch.terms[entry.slug]) if check else None, over)


def _read(tier: Tier, due: Sequence[tuple[str, Watched, list[Interval]]]) -> dict[str, list[Seen]]:
    poll = timedelta(seconds=settings.POLL_SECONDS)
    first = min(over[0].start for _slug, _of, over in due)
    back = max(of.check.stale_after for _slug, of, _over in due)
    start = read_from(first - min(back, HOUR), settings.POLL_SECONDS)
    points = int((max(over[-1].end for _slug, _of, over in due) - start) / poll) + 1
    end, metrics = start + points * poll, sorted({of.check.metric for _slug, of, _over in due})
    found = Store(store.lines(tier, metrics, start, end, points=points, reduce="last"), store.polls(tier, first, end))
    return {slug: [found.seen(of, interval) for interval in over] for slug, of, over in due}
