"""Counting what a watch observes, interval by interval, and what the count says: pure functions, so that any process goes on with it."""

import math
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

from django.utils.translation import gettext as _

from apps.metrics.kernel import State, Unit

STUCK = 10
"""Intervals in a row with exactly the same value, from which on a source is taken to hang."""

_MEASURED = {Unit.SECONDS, Unit.MILLISECONDS, Unit.PER_SECOND, Unit.PER_MINUTE}


def should_move(value: float | None, unit: Unit) -> bool:
    """Whether a value is of a kind that two measurements never give alike: a time or a rate, other than zero.

    >>> should_move(0.2, Unit.SECONDS), should_move(0.0, Unit.SECONDS), should_move(40, Unit.COUNT), should_move(None, Unit.SECONDS)
    (True, False, False, False)
    """
    return unit in _MEASURED and value is not None and value != 0


@dataclass(frozen=True, slots=True)
class Terms:
    """What one entry is held to.

    `expected`: intervals of the whole watch; `needed`: how many of them must have been measured; `max_gap`: intervals in a row that may
    lack a measurement; `max_tolerated_failures`: the next one fails; `consecutive_errors_allowed`: the next one in a row fails.
    """

    expected: int
    needed: int
    max_gap: int
    max_tolerated_failures: int
    consecutive_errors_allowed: int

    @classmethod
    def of(
        cls, length: timedelta, every: timedelta, coverage: float, max_gap: int, failures: int, errors: int
    ) -> "Terms":
        """
        From what the plan says.

        >>> Terms.of(timedelta(hours=24), timedelta(minutes=1), 0.95, 3, 5, 3).needed
        1368
        """
        expected = max(int(length / every), 1)
        return cls(expected, math.ceil(round(expected * coverage, 6)), max_gap, failures, errors)


@dataclass(frozen=True, slots=True)
class Tally:
    """What was observed of one entry so far.

    `gap`, `errors`, `same`: the present runs of intervals without a measurement, with an error, with the same value; `longest_…`: the
    longest ones. `looks`: intervals in which a person looked; `complaints`: looks that found something wrong.
    """

    seen: int = 0
    measured: int = 0
    failures: int = 0
    warnings: int = 0
    gap: int = 0
    errors: int = 0
    same: int = 0
    longest_gap: int = 0
    longest_errors: int = 0
    longest_same: int = 0
    last: float | None = None
    looks: int = 0
    complaints: int = 0

    def after(self, state: State, value: float | None, unit: Unit, distinct: int = 1) -> "Tally":
        """The tally with one more interval, in which so many `distinct` values were measured; 0: its value is an earlier one.

        >>> t = Tally()
        >>> for state in (State.PASS, State.FAIL, State.NO_DATA, State.ERROR): t = t.after(state, 1.0, Unit.COUNT)
        >>> t.seen, t.measured, t.failures, t.gap, t.errors
        (4, 2, 1, 2, 1)
        """
        gap = 0 if state.known else self.gap + 1
        errors = self.errors + 1 if state is State.ERROR else 0
        same = self.same
        if state.known and distinct:
            same = self.same + 1 if distinct == 1 and value == self.last and should_move(value, unit) else 1
        return replace(
            self,
            seen=self.seen + 1,
            measured=self.measured + state.known,
            failures=self.failures + (state is State.FAIL),
            warnings=self.warnings + (state is State.WARN),
            gap=gap,
            errors=errors,
            same=same,
            longest_gap=max(self.longest_gap, gap),
            longest_errors=max(self.longest_errors, errors),
            longest_same=max(self.longest_same, same),
            last=value if state.known else self.last,
        )

    def with_look(self, *, first: bool, fine: bool) -> "Tally":
        """The tally with one more look; `first`: of its interval."""
        return replace(self, looks=self.looks + first, complaints=self.complaints + (not fine))

    def as_json(self) -> dict[str, Any]:
        """As it is kept."""
        return asdict(self)


def tally_of(kept: dict[str, Any] | None) -> Tally:
    """A tally as it was kept; an empty one before anything was observed."""
    return Tally(**kept) if kept else Tally()


@dataclass(frozen=True, slots=True)
class Judged:
    """What an entry's tally says: a state and why. `settled`: nothing that is still to come can change it for the better."""

    state: State
    said: str
    settled: bool


def judged(tally: Tally, terms: Terms) -> Judged:
    """
    The state of an entry that the portal measures. INCONCLUSIVE and not settled: it goes on.

    >>> terms = Terms(expected=20, needed=19, max_gap=3, max_tolerated_failures=1, consecutive_errors_allowed=3)
    >>> [judged(Tally(seen=20, measured=20, failures=n), terms).state.value for n in (0, 1, 2)]
    ['pass', 'warn', 'fail']
    >>> judged(Tally(), terms).state.value, judged(Tally(), terms).settled
    ('inconclusive', False)
    """
    failures = tally.failures + tally.complaints
    counts = {"n": failures, "most": terms.max_tolerated_failures}
    if failures > terms.max_tolerated_failures:
        return Judged(State.FAIL, _("%(n)d failures, %(most)d tolerated") % counts, settled=True)
    if tally.longest_errors > terms.consecutive_errors_allowed:
        counts = {"n": tally.longest_errors, "most": terms.consecutive_errors_allowed}
        return Judged(
            State.FAIL, _("%(n)d intervals in a row without an answer, %(most)d allowed") % counts, settled=True
        )
    if why := _stale(tally) or _lacking(tally, terms):
        return why
    counted = {"measured": tally.measured, "all": terms.expected}
    if tally.seen < terms.expected:
        said = _("%(measured)d of %(all)d intervals measured") % counted
        return Judged(State.INCONCLUSIVE, said, settled=False)
    said = _("%(measured)d of %(all)d intervals measured, %(n)d failures") % (counted | {"n": failures})
    return Judged(State.WARN if failures or tally.warnings else State.PASS, said, settled=True)


def _stale(tally: Tally) -> Judged | None:
    if tally.longest_same < STUCK:
        return None
    text = _("exactly the same value %(n)d times in a row, as a source says that hangs")
    return Judged(State.NO_DATA, text % {"n": tally.longest_same}, settled=True)


def _lacking(tally: Tally, terms: Terms) -> Judged | None:
    """Inconclusive for good: too long a gap, or too many intervals without a measurement for the coverage to be reached."""
    if tally.longest_gap > terms.max_gap:
        text = _("%(n)d intervals in a row without a measurement, %(most)d allowed")
        said = text % {"n": tally.longest_gap, "most": terms.max_gap}
        return Judged(State.INCONCLUSIVE, said, settled=True)
    if tally.seen - tally.measured > terms.expected - terms.needed:
        text = _("%(n)d intervals without a measurement; %(needed)d of %(all)d are needed")
        said = text % {"n": tally.seen - tally.measured, "needed": terms.needed, "all": terms.expected}
        return Judged(State.INCONCLUSIVE, said, settled=True)
    return None


def looked(tally: Tally, needed: int, tolerated: int, *, over: bool) -> Judged:
    """
    The state of an entry that people look after: every interval needs a look.

    >>> [looked(Tally(looks=n), 6, 0, over=True).state.value for n in (0, 5, 6)]
    ['inconclusive', 'inconclusive', 'pass']
    """
    counts = {"n": tally.looks, "all": needed}
    if tally.complaints > tolerated:
        text = _("%(n)d looks found something wrong, %(most)d tolerated")
        return Judged(State.FAIL, text % {"n": tally.complaints, "most": tolerated}, settled=True)
    said = _("looked at in %(n)d of %(all)d intervals") % counts
    if not over or tally.looks < needed:
        return Judged(State.INCONCLUSIVE, said, settled=over)
    return Judged(State.WARN if tally.complaints else State.PASS, said, settled=True)
