"""Statistics that a library keeps in Redis as one hash per name, found without walking all keys at every poll."""

from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from redis.asyncio import Redis

from apps.metrics.kernel import Row

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
    _known: WeakKeyDictionary[Redis, _Names] = field(default_factory=WeakKeyDictionary)

    async def __call__(self, client: Redis) -> list[Row]:
        """The rows, in the order of their names."""
        known = self._known.get(client)
        if known is None or known.pages <= 1 or monotonic() - known.at > RESCAN_SECONDS:
            known = self._known[client] = await self._scan(client)
        pipeline = client.pipeline(transaction=False)
        for name in known.names:
            pipeline.hgetall(self.prefix + name)
        found: list[dict[str, str]] = await pipeline.execute() if known.names else []
        return [
            {**{key: number(value) for key, value in fields.items()}, "name": name}
            for name, fields in zip(known.names, found, strict=True)
            if fields
        ]

    async def _scan(self, client: Redis) -> _Names:
        names: set[str] = set()
        cursor, pages = 0, 0
        while pages < MOST_PAGES:
            cursor, keys = await client.scan(cursor, match=f"{_literal(self.prefix)}*", count=PAGE, _type="HASH")
            names.update(str(key).removeprefix(self.prefix) for key in keys)
            pages += 1
            if not cursor:
                break
        short = sorted(name for name in names if 0 < len(name) <= LONGEST_NAME)
        return _Names(tuple(short[: self.most]), pages, monotonic())


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
