"""What a person would type to take a block back where the portal knows the place: rooms above say so, pages show it for copying."""

from collections.abc import Sequence

from apps.rollouts.models import DrilledOn, RollbackRun

_typed: dict[tuple[str, str], Sequence[str]] = {}


def declare(place: DrilledOn, week: str, commands: Sequence[str]) -> None:
    """Make the commands of a place and a week known. Call it in the room's `ready()`."""
    _typed[place, week] = commands


def commands(run: RollbackRun) -> Sequence[str]:
    """What to type for this run; nothing where nobody declared it."""
    place = DrilledOn.LAB if run.rollout.tier.slug == DrilledOn.LAB else run.drilled_on
    return _typed.get((place, run.week), ())
