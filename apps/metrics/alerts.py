"""When an alert opens, rises and closes: hold time before, passes in a row after. Silence closes nothing; lasting, it is an alert."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum

from apps.metrics.kernel import Check, State, Verdict

FLAPS = 3
"""The alert that opens for this time within FLAP_WINDOW is flapping: it closes only after STEADY without a bad value."""
FLAP_WINDOW = timedelta(hours=1)
STEADY = timedelta(minutes=10)


class Mood(Enum):
    """The sides of a verdict that hysteresis knows. UNDECIDED: answered, but with nothing that could be judged."""

    GOOD = "good"
    BAD = "bad"
    UNDECIDED = "undecided"
    SILENT = "silent"


_MOODS = {
    State.PASS: Mood.GOOD,
    State.WARN: Mood.BAD,
    State.FAIL: Mood.BAD,
    State.INCONCLUSIVE: Mood.UNDECIDED,
    State.NO_DATA: Mood.SILENT,
    State.ERROR: Mood.SILENT,
}


def mood(state: State) -> Mood:
    """Which side a state is on."""
    return _MOODS[state]


class Kind(StrEnum):
    """What an alert is of: a threshold that was crossed, or data that are missing. Neither ever turns into the other."""

    LIMIT = "limit"
    SILENCE = "no_data"


@dataclass(frozen=True, slots=True)
class Stood:
    """The verdict before, since when it has been on its side, and since when it has been failing without a break."""

    verdict: Verdict
    since: datetime
    failing_since: datetime | None = None


class Step(Enum):
    """What becomes of an alert at one poll."""

    NOTHING = "nothing"
    OPEN = "open"
    UPDATE = "update"
    CLOSE = "close"


def since(before: Stood | None, verdict: Verdict, now: datetime) -> datetime:
    """Since when the verdict has been on its present side."""
    if before is None or mood(before.verdict.state) is not mood(verdict.state):
        return now
    return before.since


def failing_since(before: Stood | None, verdict: Verdict, now: datetime) -> datetime | None:
    """Since when it has failed at every poll; None when it does not fail now."""
    if verdict.state is not State.FAIL:
        return None
    return before.failing_since or now if before is not None else now


def step(
    check: Check, before: Stood | None, verdict: Verdict, now: datetime, is_open: bool, flapping: bool = False
) -> Step:
    """What to do with the alert of a check's thresholds on this node and object.

    Opens when the check was bad for its hold; closes at the second pass in a row beyond its band, or, when the alert is flapping, after
    STEADY without a bad value. A verdict that is not known changes nothing.
    """
    if not check.alerting or check.shadow:
        return Step.NOTHING
    side = mood(verdict.state)
    if side is Mood.BAD:
        if is_open:
            return Step.UPDATE
        return Step.OPEN if _held(check, before, verdict, now) else Step.NOTHING
    if not is_open or side is not Mood.GOOD or before is None or mood(before.verdict.state) is not Mood.GOOD:
        return Step.NOTHING
    if not (check.clears(verdict.value) and check.clears(before.verdict.value)):
        return Step.NOTHING
    return Step.CLOSE if not flapping or now - before.since >= STEADY else Step.NOTHING


def _held(check: Check, before: Stood | None, verdict: Verdict, now: datetime) -> bool:
    bad = now - since(before, verdict, now) >= check.hold_of(State.WARN)
    return level(check, before, verdict, now) is State.FAIL or (bad and check.warn is not None)


def level(check: Check, before: Stood | None, verdict: Verdict, now: datetime) -> State:
    """FAIL for what has failed for its own hold; WARN for everything else that is bad."""
    failing = failing_since(before, verdict, now)
    return State.FAIL if failing is not None and now - failing >= check.hold_of(State.FAIL) else State.WARN


def step_of_silence(check: Check, before: Stood | None, verdict: Verdict, now: datetime, is_open: bool) -> Step:
    """What to do with the alert that says that a check has no data.

    Opens when what was measured once has been missing for the check's hold; closes at the second verdict in a row that is known, be it good
    or bad. What was never measured, such as the Redis of a tier without one, is no alert.
    """
    if not check.alerting or check.shadow:
        return Step.NOTHING
    if mood(verdict.state) is Mood.SILENT:
        if is_open:
            return Step.UPDATE
        lasted = now - since(before, verdict, now)
        return Step.OPEN if verdict.at is not None and lasted >= check.hold else Step.NOTHING
    known = verdict.state.known and before is not None and before.verdict.state.known
    return Step.CLOSE if is_open and known else Step.NOTHING


def risen(old: str, new: State) -> str:
    """The worse of an alert's state and the present one: an alert never falls from fail to warn while open."""
    return State.FAIL.value if State.FAIL in {State(old), new} else new.value


def threshold(check: Check, state: State) -> float | None:
    """The threshold that a bad value crossed; None for silence."""
    return {State.FAIL: check.fail, State.WARN: check.warn}.get(state)
