"""When an alert opens, rises and closes: hold time before, two passes in a row after; silence neither opens nor closes one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from apps.metrics.kernel import Check, State, Verdict


class Mood(Enum):
    """The three sides of a verdict that hysteresis knows."""

    GOOD = "good"
    BAD = "bad"
    UNKNOWN = "unknown"


def mood(state: State) -> Mood:
    """Which side a state is on."""
    if state is State.PASS:
        return Mood.GOOD
    return Mood.BAD if state in {State.WARN, State.FAIL} else Mood.UNKNOWN


@dataclass(frozen=True, slots=True)
class Stood:
    """The verdict before, and since when it has been on its side."""

    verdict: Verdict
    since: datetime


class Step(Enum):
    """What becomes of an alert at one poll."""

    NOTHING = "nothing"
    OPEN = "open"
    UPDATE = "update"
    CLOSE = "close"


def since(before: Stood | None, verdict: Verdict, now: datetime) -> datetime:
    """Since when the verdict has been on its present side (good, bad or unknown)."""
    if before is None or mood(before.verdict.state) is not mood(verdict.state):
        return now
    return before.since


def step(check: Check, before: Stood | None, verdict: Verdict, now: datetime, is_open: bool) -> Step:
    """What to do with the alert of this check, node and object.

    Opens when the check was bad for at least `check.hold`; closes at the second pass in a row; a verdict that is not known changes nothing.
    """
    if not check.alerting or check.shadow:
        return Step.NOTHING
    side = mood(verdict.state)
    lasted = now - since(before, verdict, now)
    if side is Mood.BAD:
        if is_open:
            return Step.UPDATE
        return Step.OPEN if lasted >= check.hold else Step.NOTHING
    if side is Mood.GOOD and is_open and before is not None and mood(before.verdict.state) is Mood.GOOD:
        return Step.CLOSE
    return Step.NOTHING


def risen(old: str, new: State) -> str:
    """The worse of an alert's state and the present one: an alert never falls from fail to warn while open."""
    return State.FAIL.value if State.FAIL in {State(old), new} else new.value


def threshold(check: Check, state: State) -> float | None:
    """The threshold that a bad value crossed."""
    return check.fail if state is State.FAIL else check.warn


Standings = Mapping[tuple[str, str, str], Stood]
