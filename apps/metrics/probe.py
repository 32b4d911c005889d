"""A probe: one question to one kind of node, and how its answer becomes samples. Declared by the rooms, asked by `collect`.

A probe does no input or output itself: the collector sends all due questions of a node over its one connection in one round trip.
"""

import re
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from apps.metrics.kernel import Failure, FailureKind, NodeKind, NodeRole, Row, Rows, Sample, TierView

FAST = timedelta(0)  # at every poll
SLOW = timedelta(minutes=5)  # sizes, bloat, catalogs

_VARIANT = re.compile(r"^(?P<name>[a-z_]+)(\.pg(?P<version>\d+))?(\.(?P<extension>[a-z_]+)-(?P<of>\d+(\.\d+)*))?\.sql$")
_DOTTED = re.compile(r"^\d+(\.\d+)*$")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


@dataclass(frozen=True, slots=True)
class Variant:
    """A question's text from a server version on, or from a version of an extension on: a server may be newer than its extensions."""

    text: str
    major: int = 0
    extension: str = ""
    of: tuple[int, ...] = ()

    def fits(self, major: int, extensions: Mapping[str, str]) -> bool:
        """Whether a server of this major version with these extensions understands it."""
        version = extensions.get(self.extension, "")
        has = not self.extension or (_DOTTED.match(version) is not None and _numbers(version) >= self.of)
        return has and self.major <= major


@dataclass(frozen=True, slots=True)
class Question:
    """SQL in as many variants as versions need it: `name.sql`, `name.pg17.sql` from 17 on, and `name.hstore-1.8.sql` from 1.8 of an
    extension on.
    """

    variants: tuple[Variant, ...]

    def for_version(self, major: int, extensions: Mapping[str, str] | None = None) -> str:
        """The text for a server of this major version: the newest variant that fits. `extensions`: versions of those it has, by name."""
        fitting = (variant for variant in self.variants if variant.fits(major, extensions or {}))
        return max(fitting, key=lambda variant: (variant.major, variant.of)).text


@cache
def sql(room_file: str, name: str) -> Question:
    """The question kept in `sql/<name>.sql` beside a room's module; call with `__file__`.

    Raises FileNotFoundError when there is no such question.
    """
    folder = Path(room_file).parent / "sql"
    found = []
    for path in sorted(folder.glob(f"{name}*.sql")):
        match = _VARIANT.match(path.name)
        if match and match["name"] == name:
            of = _numbers(match["of"]) if match["of"] else ()
            text = path.read_text(encoding="utf-8")
            found.append(Variant(text, int(match["version"] or 0), match["extension"] or "", of))
    if not any(variant.major == 0 and not variant.extension for variant in found):
        raise FileNotFoundError(f"{folder / name}.sql does not exist")
    return Question(tuple(found))


def numeric(value: Any) -> float | None:
    """A database value as a number: booleans as 0 and 1, intervals in seconds; None stays None.

    Raises TypeError for anything that is no number.
    """
    if value is None or isinstance(value, (int, float)):
        return None if value is None else float(value)
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    raise TypeError(type(value).__name__)


def columns(probe_id: str, rows: Rows) -> Iterable[Sample]:
    """The default reading: every numeric column is a metric `<probe id>.<column>`; the column `object` tells of what."""
    for row in rows:
        of = str(row.get("object", ""))
        for name, value in row.items():
            if isinstance(value, (int, float, Decimal, timedelta)):
                yield Sample(f"{probe_id}.{name}", numeric(value), of)


MISREAD = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError)
"""What reading an answer of an unexpected shape raises: it becomes a failure of that probe and never ends the poll."""


def misread(error: Exception) -> Failure:
    """An answer that could not be made sense of."""
    kind = type(error).__name__
    return Failure(FailureKind.ERROR, f"The answer has a shape that this version does not know ({kind}: {error}).")


Command: TypeAlias = tuple[str | int, ...]
Talk: TypeAlias = Generator[Sequence[Command], list[Any], Iterable[Row]]
"""A question to Redis: yields commands, is sent their answers (as RESP2 gives them, text decoded), and so on; returns rows."""

Ask: TypeAlias = Callable[[object], Talk]
"""Begins a talk. The argument stands for the server asked: what a question remembers, it remembers of that one."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One question. `id` is `<room>.<name>` and the prefix of its metrics.

    `question`: SQL for PostgreSQL; a console command (`SHOW POOLS`) for PgBouncer; a command (`INFO`) or a generator function (see Ask)
    for Redis, read-only; a path (`/metrics/queries`) for an application, whose JSON document is the one row.
    `read(rows)`: samples of this answer; by default every numeric column.
    `derive(rows, rows before, seconds between)`: samples from two answers of a counter; called only when there are two. It must yield
    nothing where a counter was reset. `role`: asked only of nodes observed in that role. `needs`: the privilege, as a GRANT would name it.
    `wanted(node, answers)`: asked only when it says so too; given the node's name and what it and the tier probes said last, by probe.
    """

    id: str
    kind: NodeKind
    question: Question | str | Ask
    every: timedelta = FAST
    role: NodeRole | None = None
    read: Callable[[Rows], Iterable[Sample]] | None = None
    derive: Callable[[Rows, Rows, float], Iterable[Sample]] | None = None
    needs: str = ""
    says: str = field(default="", kw_only=True)  # the question in words, where `question` is a function
    keep: Callable[[Rows], Rows] | None = field(
        default=None, kw_only=True
    )  # which rows of a long answer are kept and in what form; all as they are by default
    wanted: Callable[[str, Mapping[str, Rows]], bool] | None = field(default=None, kw_only=True)

    def samples(self, rows: Rows, before: Rows | None, seconds: float) -> tuple[Sample, ...]:
        """All samples of an answer, derived ones included."""
        found = list(self.read(rows) if self.read else columns(self.id, rows))
        if self.derive and before is not None and seconds > 0:
            found += self.derive(rows, before, seconds)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class TierProbe:
    """A measurement that needs several nodes at once (lag, roles, drift): a pure function of the poll's answers.

    `derive(view)` returns rows to show and keep (the next poll gets them as `view.previous`) and samples; a sample's `node` says whose it
    is, empty for the tier's own. `of_resting`: it also speaks of nodes that this slot leaves alone; of others such samples are dropped.
    """

    id: str
    derive: Callable[[TierView], tuple[Iterable[Row], Iterable[Sample]]]
    says: str = ""
    of_resting: bool = False


def rate(now: float | None, before: float | None, seconds: float) -> float | None:
    """Increase of a counter per second; None after a reset (a decrease) or where one is missing.

    >>> rate(30, 10, 10), rate(5, 10, 10)
    (2.0, None)
    """
    if now is None or before is None or now < before or seconds <= 0:
        return None
    return (now - before) / seconds


def share(part: float | None, whole: float | None) -> float | None:
    """part / whole, None where nothing happened.

    >>> share(3, 4), share(0, 0)
    (0.75, None)
    """
    return None if part is None or not whole else part / whole
