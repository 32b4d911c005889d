"""From a tree to the values of `plan` and `guides`, by their type hints; a mistake is noted and the reading goes on."""

import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import time, timedelta
from difflib import get_close_matches
from enum import Enum
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from apps.playbook.mistakes import Mark, Mistake
from apps.playbook.parse import Listing, Node, Scalar, Section
from apps.playbook.plan import Name

if TYPE_CHECKING:
    from dataclasses import Field

T = TypeVar("T")
Rules = Callable[[Any], Iterable[Mistake]]

_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NUMBER = re.compile(
    r"(?P<number>[-+\u2212]?\d{1,15}(\.\d{1,20})?(e[-+]?\d{1,2})?)(\s?(?P<scale>%|kB|MB|GB|TB))?", re.ASCII
)
_SCALES = {None: 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_DURATION = re.compile(r"(?P<count>\d{1,6})\s?(?P<unit>s|min|h|d)", re.ASCII)
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_FLAGS = {"yes": True, "true": True, "no": False, "false": False}
_REMOVE = "Write a value, or remove the key."


class _Broken(Exception):
    """A value that could not be read; the mistake has been noted."""


@cache
def hints(cls: type) -> dict[str, Any]:
    """The type hints of a dataclass with their `Annotated` names."""
    return get_type_hints(cls, include_extras=True)


@cache
def keys(cls: type) -> dict[str, "Field[Any]"]:
    """The fields of a dataclass that are keys of a file: all but its source."""
    return {item.name: item for item in fields(cls) if item.name != "source"}


def nearest(word: str, known: Iterable[str]) -> str:
    """A remedy for an unknown word: the nearest known one, or all when there are few.

    >>> nearest("replicas.replay_lagg", ["replicas.replay_lag", "pools.up"])
    'Did you mean replicas.replay_lag?'
    """
    names = sorted(known)
    if found := get_close_matches(word, names, n=1, cutoff=0.6):
        return f"Did you mean {found[0]}?"
    if not names:
        return "None are declared."
    return f"Known: {', '.join(names)}." if len(names) <= 12 else f"None of the {len(names)} known ones is near."


class Reader:
    """Reads trees into values; afterwards `mistakes` holds everything that was found wrong.

    `names`: the known names of each kind (a kind left out is not looked up). `rules`: what must hold within one value.
    """

    def __init__(self, names: Mapping[Name, Collection[str]], rules: Rules = lambda _value: ()) -> None:
        self.names = names
        self.rules = rules
        self.mistakes: list[Mistake] = []
        self.dropped = 0  # entries of lists that could not be built

    def read(self, cls: type[T], node: Node) -> T | None:
        """A value of a dataclass, or None when it could not be built; its lists lack the entries that could not."""
        try:
            value: T = self._value(cls, node, "This file")
        except _Broken:
            return None
        return value

    def _fail(self, mark: Mark, what: str, remedy: str) -> _Broken:
        self.mistakes.append(Mistake(mark.file, mark.line, what, remedy))
        return _Broken()

    def _value(self, hint: Any, node: Node, name: str) -> Any:
        origin, args = get_origin(hint), get_args(hint)
        if origin is Annotated:
            return self._named(node, name, args[1])
        if origin is UnionType:
            return self._value(args[0], node, name)
        if isinstance(node, Scalar) and node.absent:
            raise self._fail(node.mark, f"{name} has no value.", _REMOVE)
        if origin is tuple:
            return self._list(args[0], node, name)
        if is_dataclass(hint) and isinstance(hint, type):
            return self._section(hint, node, name)
        if not isinstance(node, Scalar):
            raise self._fail(node.mark, f"{name} must be a single value.", f"Write `{name}: …` on one line.")
        return self._scalar(hint, node, name)

    def _list(self, hint: Any, node: Node, name: str) -> tuple[Any, ...]:
        if not isinstance(node, Listing):
            raise self._fail(node.mark, f"{name} must be a list.", "Start each entry with `- `.")
        if not node.items:
            raise self._fail(node.mark, f"{name} is an empty list.", "Write its entries, or remove the key.")
        found = []
        for item in node.items:
            try:
                found.append(self._value(hint, item, f"an entry of {name}"))
            except _Broken:
                self.dropped += 1
        return tuple(found)

    def _section(self, cls: type, node: Node, name: str) -> Any:
        if not isinstance(node, Section):
            remedy = f"Write the keys {', '.join(keys(cls))} below it."
            raise self._fail(node.mark, f"{name} must be a section with keys.", remedy)
        dropped, broken = self.dropped, False
        for key in node.values.keys() - keys(cls).keys():
            self._fail(node.marks[key], f"{name} has no key {key}.", nearest(key, keys(cls)))
        found: dict[str, Any] = {"source": node.mark} if "source" in hints(cls) else {}
        for key, item in keys(cls).items():
            if key in node.values:
                try:
                    found[key] = self._value(hints(cls)[key], node.values[key], key)
                except _Broken:
                    broken = True
            elif item.default is MISSING and item.default_factory is MISSING:
                self._fail(node.mark, f"{name} lacks the key {key}.", f"Add `{key}: …`.")
                broken = True
        if broken:
            raise _Broken
        value = cls(**found)
        if self.dropped == dropped:  # an incomplete value is not judged as a whole
            self.mistakes += self.rules(value)
        return value

    def _named(self, node: Node, name: str, kind: Name) -> str:
        if not isinstance(node, Scalar) or node.absent or not node.text.strip():
            raise self._fail(node.mark, f"{name} must be the name of a {kind}.", _REMOVE)
        if kind is Name.SLUG:
            if not _SLUG.fullmatch(node.text):
                remedy = "Use lower-case letters, digits and single hyphens, such as week-1-2."
                raise self._fail(node.mark, f"{name} is {node.text!r}, which cannot stand in an address.", remedy)
        elif (known := self.names.get(kind)) is not None and node.text not in known:
            self._fail(node.mark, f"There is no {kind} {node.text}.", nearest(node.text, known))
        return node.text

    def _scalar(self, hint: Any, node: Scalar, name: str) -> Any:
        text = node.text.strip()
        if hint is str:
            if not text:
                raise self._fail(node.mark, f"{name} is empty.", _REMOVE)
            return text
        if issubclass(hint, Enum):
            by_value = {str(member.value): member for member in hint}
            if text not in by_value:
                kind = hint.__name__.lower()
                raise self._fail(node.mark, f"{name} is {text!r}, which is no {kind}.", nearest(text, by_value))
            return by_value[text]
        read, remedy = _READERS[hint]
        value = read(text)
        if value is None:
            raise self._fail(node.mark, f"{name} is {text!r}.", remedy)
        return value


def _number(text: str) -> float | None:
    match = _NUMBER.fullmatch(text)
    if not match:
        return None
    value = float(match["number"].replace("\N{MINUS SIGN}", "-"))
    value = value / 100 if match["scale"] == "%" else value * _SCALES[match["scale"]]
    return value if math.isfinite(value) else None


def _whole(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?\d{1,9}", text, re.ASCII) else None


def _duration(text: str) -> timedelta | None:
    match = _DURATION.fullmatch(text)
    return timedelta(seconds=int(match["count"]) * _SECONDS[match["unit"]]) if match else None


def _time(text: str) -> time | None:
    match = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", text, re.ASCII)
    return time(int(match[1]), int(match[2])) if match else None


_READERS: dict[Any, tuple[Callable[[str], Any], str]] = {
    bool: (_FLAGS.get, "Write yes or no."),
    int: (_whole, "Write a whole number."),
    float: (_number, "Write a number such as 0.25, a share such as 25 % or a size such as 50 MB."),
    timedelta: (_duration, "Write a whole number with s, min, h or d behind it, such as 15 min."),
    time: (_time, "Write a time of day such as 02:00."),
}
