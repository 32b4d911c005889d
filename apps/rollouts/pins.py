"""What a rollout follows: its own pin, and for every week that was amended the pin adopted last. Read by digest, never by key."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from apps.playbook.guides import Playbook
from apps.playbook.pin import from_bundle
from apps.rollouts.models import Amendment, Pin, Rollout


@dataclass(frozen=True, slots=True)
class InForce:
    """`playbook`: with the weeks that were adopted; `pin`: the rollout's own; `amendments`: of each amended week, oldest first."""

    playbook: Playbook
    pin: Pin
    amendments: Mapping[str, tuple[Amendment, ...]]

    def pin_of(self, week: str) -> Pin:
        """The pin that a week follows."""
        found = self.amendments.get(week)
        return found[-1].pin if found else self.pin


def in_force(rollout: Rollout) -> InForce:
    """What a rollout follows now: one query. Raises BundleInvalid when a pin was changed."""
    made: dict[str, tuple[Amendment, ...]] = {}
    for one in rollout.amendments.select_related("by", "pin").defer("statement", "passkey", "pin__data", "pin__files"):
        made[one.week] = (*made.get(one.week, ()), one)
    adopted = tuple(sorted((week, of_week[-1].pin.digest) for week, of_week in made.items()))
    return InForce(_composed(rollout.pin.digest, adopted), rollout.pin, made)


def composed(force: InForce, week: str, pin: Pin) -> Playbook:
    """What a rollout would follow if a week followed this pin."""
    adopted = {slug: of_week[-1].pin.digest for slug, of_week in force.amendments.items()} | {week: pin.digest}
    return _composed(force.pin.digest, tuple(sorted(adopted.items())))


@lru_cache(maxsize=32)
def _composed(digest: str, adopted: tuple[tuple[str, str], ...]) -> Playbook:
    whole, newer = pinned(digest), dict(adopted)
    weeks = (pinned(newer[week.slug]).week(week.slug) if week.slug in newer else week for week in whole.weeks)
    return replace(whole, weeks=tuple(weeks)) if adopted else whole


@lru_cache(maxsize=32)
def pinned(digest: str) -> Playbook:
    """The playbook of a pin, verified against its digest. Raises BundleInvalid when it was changed."""
    # Kept by digest and never by key: after a restored dump the same key may name another pin.
    pin = Pin.objects.get(digest=digest)
    return from_bundle(bytes(pin.data), pin.digest)
