"""What a fault is: a name, one sentence, how it is put in and how it is healed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from apps.lab.servers import Servers

Record: TypeAlias = Mapping[str, Any]  # what an injection did, as JSON; a later process heals by it
Inject: TypeAlias = Callable[[Servers], Record]
Heal: TypeAlias = Callable[[Servers, Record], None]


def nothing(_: Servers) -> Record:
    """What most faults have to remember."""
    return {}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    `inject` returns what healing must know. `heal` undoes it; after a crash in the middle it gets what was remembered and still heals.
    `fires`: ids of the checks that are expected to turn bad, at the next time they are asked or, where what they judge has to last, `after`
    that long. The portal keeps when it last saw each of them do so. `remember`: what was there before and healing brings back; it is
    recorded before anything is changed, so that a crash does not lose it.
    """

    name: str
    says: str
    node: str
    inject: Inject
    heal: Heal
    fires: tuple[str, ...] = ()
    after: timedelta = timedelta(0)
    remember: Inject = nothing


class FaultImpossible(RuntimeError):
    """This fault cannot be put in as the lab is now; the message says what is missing."""
