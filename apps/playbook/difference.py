"""What changed between two playbooks, in words: what an amendment of a running rollout shows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from apps.playbook.guides import Playbook
from apps.playbook.pin import content_of
from apps.playbook.plan import Week

_NAMES = ("slug", "id", "name", "week", "role", "answer", "title")


class Kind(StrEnum):
    """What happened to a value."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Change:
    """One change: the way to the value from the playbook on (`weeks`, `week-3-4`, …), and what it was and is."""

    kind: Kind
    path: tuple[str, ...]
    before: str = ""
    after: str = ""

    def __str__(self) -> str:
        where = " › ".join(self.path)
        match self.kind:
            case Kind.ADDED:
                return f"{where}: added{f' ({self.after})' if self.after else ''}"
            case Kind.REMOVED:
                return f"{where}: removed{f' ({self.before})' if self.before else ''}"
            case Kind.CHANGED:
                return f"{where}: {self.before} → {self.after}"
        return f"{where}: in another order"


def difference(before: Playbook, after: Playbook) -> tuple[Change, ...]:
    """What changed in meaning from one playbook to another, in its order; empty when the digests are equal."""
    old, new = content_of(before), content_of(after)
    return tuple(
        change
        for key in ("plan", "weeks", "runbooks", "trees", "reference")
        for change in _of(old[key], new[key], (key,))
    )


def in_week(before: Week, after: Week) -> tuple[Change, ...]:
    """The same for one week: the ways begin within it."""
    return tuple(_of(content_of(before), content_of(after), ()))


def _of(before: Any, after: Any, path: tuple[str, ...]) -> Iterator[Change]:
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _keyed(before, after, path)
    elif isinstance(before, list) and isinstance(after, list):
        old, new = _by_name(before), _by_name(after)
        yield from _keyed(old, new, path)
        if [name for name in old if name in new] != [name for name in new if name in old]:
            yield Change(Kind.MOVED, path)
    else:
        yield Change(Kind.CHANGED, path, _words(before), _words(after))


def _keyed(before: Mapping[str, Any], after: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[Change]:
    for name in before:
        if name not in after:
            yield Change(Kind.REMOVED, (*path, name), before=_words(before[name]))
    for name, value in after.items():
        if name not in before:
            yield Change(Kind.ADDED, (*path, name), after=_words(value))
        else:
            yield from _of(before[name], value, (*path, name))


def _by_name(values: list[Any]) -> dict[str, Any]:
    """The entries of a list by what names them: their slug, or else their own text or their place."""
    found: dict[str, Any] = {}
    for number, value in enumerate(values, 1):
        names = [value[key] for key in _NAMES if key in value] if isinstance(value, Mapping) else [str(value)]
        name = names[0] if names and names[0] not in found else f"number {number}"
        found[name] = value
    return found


def _words(value: Any) -> str:
    """A value as short text: what is said of it, or its title."""
    if isinstance(value, Mapping):
        return str(next((value[key] for key in ("text", "title", "issue", "what") if key in value), ""))
    if isinstance(value, list):
        return f"{len(value)} entries"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
