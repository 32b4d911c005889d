"""What every reader promises."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from apps.metrics.kernel import Failure, FailureKind, NodeKind, NodeRole, Rows
from apps.metrics.probe import Probe
from apps.metrics.readers.reach import Reach
from apps.metrics.readers.traffic import Traffic

APPLICATION_NAME = "opsportal"
CONNECT_SECONDS = 8  # a server far away takes five round trips to let one in


@dataclass(frozen=True, slots=True)
class Target:
    """A node to read. `url` contains the password: never log or show it. `reach`: which hosts may be connected to."""

    id: int
    name: str
    kind: NodeKind
    role: NodeRole
    url: str = field(repr=False)
    reach: Reach = field(default=Reach(), repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answered: its clock (None where it has none to tell), role, version and an id that survives reconnecting."""

    now: datetime | None
    role: NodeRole
    version: str
    id: str


@dataclass(frozen=True, slots=True)
class Said:
    """What one probe's question brought: the text asked, rows or a failure."""

    question: str
    rows: Rows = ()
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One node's whole answer."""

    identity: Identity
    said: Mapping[str, Said]


class Unreadable(Exception):
    """The node as a whole gave no answer; carries the typed failure."""

    def __init__(self, kind: FailureKind, message: str) -> None:
        super().__init__(message)
        self.failure = Failure(kind, message)


class Reader(ABC):
    """Reads one node over one connection. `open` makes it, in CONNECT_SECONDS at most, which may be longer than one poll; `ask` uses it.

    Both raise Unreadable when the node gives no answer. `until`: when the present poll is over, by the monotonic clock. `turns`: how many
    round trips the last answers took; `received_before`: bytes counted up to the poll before.
    """

    until = math.inf
    turns = 1
    received_before = 0

    def __init__(self, target: Target) -> None:
        self.target = target

    @property
    @abstractmethod
    def is_open(self) -> bool:
        """Whether there is a connection to ask over."""

    @abstractmethod
    async def open(self) -> None:
        """Connect."""

    @abstractmethod
    async def ask(self, probes: Sequence[Probe]) -> Reply:
        """Answers of these probes, all over one connection that is open."""

    def traffic(self) -> Traffic | None:
        """What was received over the present connection; None where nobody counts it."""
        return None

    def received_since(self, told: Traffic | None) -> int | None:
        """Bytes received since this was asked last, `told` being the traffic now."""
        if told is None:
            return None
        before, self.received_before = self.received_before, told.received_bytes
        return told.received_bytes - before if told.received_bytes >= before else told.received_bytes

    @abstractmethod
    async def close(self) -> None:
        """Give the connection back; never raises."""


LARGEST = 2**63  # whole numbers from here on are kept as floats
_ALREADY = frozenset({type(None), bool, int, float})


def plain(rows: Iterable[Mapping[str, Any]]) -> Rows:
    """Rows in JSON's types, the one form in which they are derived from, kept and shown as evidence.

    Decimals become int or float, intervals seconds, times ISO 8601 in UTC, anything else its text.
    """
    return tuple(
        {_name(key): value if type(value) in _ALREADY else _plain(value) for key, value in row.items()} for row in rows
    )


def _name(key: object) -> str:
    name = str(key)
    return name.replace("\x00", "") if "\x00" in name else name


def _plain(value: Any) -> Any:  # noqa: PLR0911  one line a type
    match value:
        case None | bool() | int() | float() | str():
            return value.replace("\x00", "") if isinstance(value, str) else value
        case Decimal():
            whole = value.is_finite() and value == value.to_integral_value() and abs(value) < LARGEST
            return int(value) if whole else float(value)
        case timedelta():
            return value.total_seconds()
        case datetime():
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
        case date():
            return value.isoformat()
        case bytes():
            return value.decode("utf-8", "replace").replace("\x00", "")
        case list() | tuple() | set():
            return [_plain(item) for item in value]
        case Mapping():
            return {_name(key): _plain(item) for key, item in value.items()}
        case _:
            return str(value)
