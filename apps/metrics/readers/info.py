"""Redis' INFO as one row: a name a line, numbers as numbers, lists of `key=value` as objects."""

from functools import lru_cache
from typing import Any

LARGEST = 2**63  # whole numbers from here on are kept as floats
LINES_KEPT = 4096  # an INFO has about 200 lines, most of them the same as at the poll before


def parse(text: str) -> dict[str, Any]:
    """The row of an INFO answer; lines of the name `module` are kept as a list, `modules`. Its values are shared: do not change them.

    >>> parse("# Server\\r\\nuptime:7\\r\\nratio:0.50\\r\\nrole:master\\r\\ndb0:keys=1,expires=0\\r\\n")
    {'uptime': 7, 'ratio': 0.5, 'role': 'master', 'db0': {'keys': 1, 'expires': 0}}
    >>> parse("module:name=search,ver=2\\r\\nmodule:name=json,ver=1")
    {'modules': [{'name': 'search', 'ver': 2}, {'name': 'json', 'ver': 1}]}
    """
    lines = text.replace("\x00", "").splitlines()
    row = dict(filter(None, map(_pair, lines)))
    if "module" in row:
        del row["module"]
        row["modules"] = [pair[1] for line in lines if line.startswith("module:") and (pair := _pair(line))]
    return row


@lru_cache(LINES_KEPT)
def _pair(line: str) -> tuple[str, Any] | None:
    name, colon, said = line.partition(":")
    return (name, _value(said)) if colon and not line.startswith("#") else None


def _value(said: str) -> Any:
    if "=" in said:
        parts = (part.rpartition("=") for part in said.split(",") if part)
        return {name or value: _value(value) if name else True for name, _, value in parts}
    if "," in said:
        return [_value(part) for part in said.split(",") if part]
    return _number(said)


def _number(said: str) -> Any:
    try:
        found = float(said) if "." in said else int(said)
    except ValueError:
        return said
    return found if abs(found) < LARGEST else float(found)
