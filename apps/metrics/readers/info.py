"""Redis' INFO as one row: a name a line, numbers as numbers, lists of `key=value` as objects."""

from typing import Any


def parse(text: str) -> dict[str, Any]:
    """The row of an INFO answer; lines of the same name (`module`) are kept as a list under its plural.

    >>> parse("# Server\\r\\nuptime:7\\r\\nratio:0.50\\r\\nrole:master\\r\\ndb0:keys=1,expires=0\\r\\n")
    {'uptime': 7, 'ratio': 0.5, 'role': 'master', 'db0': {'keys': 1, 'expires': 0}}
    """
    row: dict[str, Any] = {}
    for line in text.splitlines():
        name, colon, said = line.partition(":")
        if not colon or name[0] == "#":
            continue
        if name == "module":
            row.setdefault("modules", []).append(_value(said))
        else:
            row[name] = int(said) if said.isdecimal() else _value(said)
    return row


def _value(said: str) -> Any:
    if "=" in said:
        parts = (part.rpartition("=") for part in said.split(",") if part)
        return {name or value: _value(value) if name else True for name, _, value in parts}
    if "," in said:
        return [_value(part) for part in said.split(",") if part]
    return _number(said)


def _number(said: str) -> Any:
    try:
        return float(said) if "." in said else int(said)
    except ValueError:
        return said
