"""What people did that may explain an alert: rooms above say how to find it; the history of alerts shows what came just before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.metrics.models import Tier

BEFORE = timedelta(hours=1)
"""How long before an alert something counts as just before."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """Something that was done on a tier at a moment: a deployment, a run."""

    at: datetime
    title: str
    url: str


Source = Callable[[Tier, datetime, datetime], Sequence[Occasion]]
_sources: dict[str, Source] = {}


def declare(name: str, source: Source) -> None:
    """Make a source known: given a tier, a start and an end, what was done in between. Call it in the room's `ready()`."""
    _sources[name] = source


def between(tier: Tier, start: datetime, end: datetime) -> list[Occasion]:
    """Everything that was done on a tier in [start, end], by time."""
    found = [one for source in _sources.values() for one in source(tier, start, end)]
    return sorted(found, key=lambda one: one.at)


def before(opened: datetime, found: Sequence[Occasion]) -> Occasion | None:
    """The last of these that came just before a moment."""
    near = [one for one in found if opened - BEFORE <= one.at <= opened]
    return near[-1] if near else None
