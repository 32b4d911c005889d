"""Statistics that a library keeps in Redis as one hash per name, found without walking all keys at every poll."""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from apps.metrics.probe import Command, Talk

PAGE = 5000  # keys looked at by one SCAN: about a millisecond of the server's time
MOST_PAGES = 20
RESCAN_SECONDS = 60
LONGEST_NAME = 120  # names come from the tier; a longer one is none of the library's


@dataclass(frozen=True, slots=True)
class _Names:
    names: tuple[str, ...]
    pages: int
    at: float


@dataclass(eq=False, slots=True)
class Hashes:
    """A question: all hashes `<prefix><name>`, one row each: `name` and the hash's fields, numbers as numbers.

    Names are found by SCAN, at most PAGE × MOST_PAGES keys of it; where that takes several pages, only once a minute.
    At most `most` hashes are read, in one round trip. A hash that vanished meanwhile is left out.
    """

    prefix: str
    most: int = 500
    _known: WeakKeyDictionary[object, _Names] = field(default_factory=WeakKeyDictionary)

    def __call__(self, server: object) -> Talk:
        """The rows, in the order of their names."""
        known = self._known.get(server)
        if known is None or known.pages <= 1 or monotonic() - known.at > RESCAN_SECONDS:
            known = self._known[server] = yield from self._scan()
        found = (yield [("HGETALL", self.prefix + name) for name in known.names]) if known.names else []
        return [
            {**{key: number(value) for key, value in pairs(fields)}, "name": name}
            for name, fields in zip(known.names, found, strict=True)
            if fields
        ]

    def _scan(self) -> Generator[Sequence[Command], list[Any], _Names]:
        names: set[str] = set()
        cursor, pages = "0", 0
        while pages < MOST_PAGES:
            ((cursor, keys),) = yield [
                ("SCAN", cursor, "MATCH", f"{_literal(self.prefix)}*", "COUNT", PAGE, "TYPE", "HASH")
            ]
            names.update(str(key).removeprefix(self.prefix) for key in keys)
            pages += 1
            if cursor == "0":
                break
        short = sorted(name for name in names if 0 < len(name) <= LONGEST_NAME)
        return _Names(tuple(short[: self.most]), pages, monotonic())


def pairs(flat: Sequence[str]) -> Iterable[tuple[str, str]]:
    """Names and values of a reply that lists them one after the other (HGETALL, CONFIG GET).

    >>> list(pairs(["a", "1", "b", "2"]))
    [('a', '1'), ('b', '2')]
    """
    return zip(flat[::2], flat[1::2], strict=True)


def _literal(text: str) -> str:
    r"""Text as a pattern of Redis that matches only itself.

    >>> _literal("a*b[c")
    'a\\*b\\[c'
    """
    return "".join(f"\\{letter}" if letter in "*?[]^\\" else letter for letter in text)


def number(text: str) -> Any:
    """A field's text as an int or float where it is one.

    >>> number("3"), number("0.5"), number("Pro"), number("nan")
    (3, 0.5, 'Pro', 'nan')
    """
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError:
        return text
    return value if abs(value) < float("inf") else text
