"""Numbers with their unit as a person reads them."""

import math
import re
from collections.abc import Callable

from apps.metrics.kernel import Unit

_BYTES = ("B", "kB", "MB", "GB", "TB")
NARROW = "\N{NO-BREAK SPACE}"


def number(value: float) -> str:
    """Up to three significant digits, thousands grouped.

    >>> [number(v) for v in (0, 0.1234, 7.42, 84, 1240, 1048576)]
    ['0', '0.12', '7.4', '84', '1,240', '1,048,576']
    """
    if value == 0 or abs(value) >= 100 or float(value).is_integer():
        text = f"{value:,.0f}"
    else:
        text = f"{value:.1f}" if abs(value) >= 1 else f"{value:.2g}"
    return text.replace("-", "\N{MINUS SIGN}", 1) if value < 0 else text


def duration(seconds: float) -> str:
    """A length of time in words.

    >>> [duration(v) for v in (0.0124, 0.212, 7.4, 200, 7500, 180000)]
    ['12.4\\xa0ms', '212\\xa0ms', '7.4\\xa0s', '3\\xa0min 20\\xa0s', '2\\xa0h 5\\xa0min', '2\\xa0d 2\\xa0h']
    """
    if 0 < abs(seconds) < 0.001:
        return f"{number(round(seconds * 1e6, 1))}{NARROW}\N{MICRO SIGN}s"
    if 0 < abs(seconds) < 1:
        return f"{number(round(seconds * 1000, 1))}{NARROW}ms"
    if abs(seconds) < 60:
        return f"{number(round(seconds, 1))}{NARROW}s"
    for size, name, small, small_name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if abs(seconds) >= size:
            whole, rest = divmod(int(seconds), size)
            tail = f" {rest // small}{NARROW}{small_name}" if rest // small else ""
            return f"{whole}{NARROW}{name}{tail}"
    return f"{number(seconds)}{NARROW}s"


def size(count: float) -> str:
    """Bytes with a decimal prefix.

    >>> [size(v) for v in (512, 61_000_000, 2_500_000_000)]
    ['512\\xa0B', '61\\xa0MB', '2.5\\xa0GB']
    """
    step = 0 if abs(count) < 1000 else min(int(math.log(abs(count), 1000)), len(_BYTES) - 1)
    return f"{number(count / 1000**step)}{NARROW}{_BYTES[step]}"


def show(value: float | None, unit: Unit | str) -> str:
    r"""Value and unit as text; a dash where there is no number.

    >>> show(0.843, Unit.RATIO), show(1, Unit.YES_NO), show(None, Unit.COUNT)
    ('84.3\xa0%', 'yes', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    return _SHOWN[Unit(unit)](value)


_SHOWN: dict[Unit, Callable[[float], str]] = {
    Unit.SECONDS: duration,
    Unit.MILLISECONDS: lambda value: duration(value / 1000),
    Unit.HOURS: lambda value: duration(value * 3600),
    Unit.DAYS: lambda value: f"{number(value)}{NARROW}d",
    Unit.BYTES: size,
    Unit.RATIO: lambda value: f"{number(round(value * 100, 2))}{NARROW}%",
    Unit.YES_NO: lambda value: "yes" if value else "no",
    Unit.COUNT: number,
    Unit.PER_SECOND: lambda value: f"{number(value)}{NARROW}/s",
    Unit.PER_MINUTE: lambda value: f"{number(value)}{NARROW}/min",
}


_SIZES: dict[Unit, dict[str, float]] = {
    Unit.SECONDS: {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86400},
    Unit.MILLISECONDS: {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000},
    Unit.HOURS: {"min": 1 / 60, "h": 1, "d": 24},
    Unit.DAYS: {"h": 1 / 24, "d": 1},
    Unit.BYTES: {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12, "MiB": 2**20, "GiB": 2**30},
    Unit.RATIO: {"%": 0.01, "": 1},
}
_LONGEST = 60
"""Characters of a typed value; no number of so many digits is infinite, whatever its unit."""
_TYPED = re.compile(r"([+\-\N{MINUS SIGN}]?(?:\d+(?:,\d+)*(?:\.\d+)?|\.\d+))(\D*)")


def example(unit: Unit | str) -> str:
    """How a person may write a value of this unit."""
    return {
        Unit.BYTES: "3.2 GB",
        Unit.SECONDS: "12 min",
        Unit.MILLISECONDS: "250 ms",
        Unit.HOURS: "3 h",
        Unit.DAYS: "2 d",
        Unit.RATIO: "85 %",
        Unit.YES_NO: "yes",
    }.get(Unit(unit), "12")


def typed(value: float | None, unit: Unit | str) -> str:
    """A value as `read` understands it, for a field that is filled in already; empty where there is none.

    >>> typed(500, Unit.MILLISECONDS), typed(200, Unit.SECONDS), typed(0.8, Unit.RATIO), typed(None, Unit.COUNT)
    ('500 ms', '200 s', '80 %', '')
    """
    if value is None:
        return ""
    text = show(value, unit).replace(NARROW, " ")
    try:
        same = read(text, unit) == value
    except ValueError:
        same = False
    return text if same else f"{value:.12g} {'' if unit == Unit.RATIO else Unit(unit).value}".strip()


def read(text: str, unit: Unit | str) -> float:
    """A value as a person writes it, in the given unit; a bare number is in that unit.

    Raises ValueError, with an example, for anything else.

    >>> read("3.2 GB", Unit.BYTES), read("85 %", Unit.RATIO), read("12", Unit.COUNT), read("2 min", Unit.SECONDS)
    (3200000000.0, 0.85, 12.0, 120.0)
    >>> read("1,234", Unit.COUNT), read(" 1 234.5 ", Unit.COUNT), read("-5 %", Unit.RATIO), read(".5h", Unit.HOURS)
    (1234.0, 1234.5, -0.05, 0.5)
    >>> read("3 h 20 min", Unit.SECONDS)
    Traceback (most recent call last):
        ...
    ValueError: '3 h 20 min' is not understood; write it like 12 min.
    """
    unit, text = Unit(unit), text.strip()
    if unit is Unit.YES_NO and text.lower() in {"yes", "no"}:
        return float(text.lower() == "yes")
    match = _TYPED.fullmatch("".join(text.split())) if len(text) <= _LONGEST else None
    sizes = {name.lower(): factor for name, factor in _SIZES.get(unit, {}).items()}
    suffix = match[2].lower() if match else "?"
    if match is None or (suffix and suffix not in {*sizes, unit.value.lower()}):
        raise ValueError(f"{text[:40]!r} is not understood; write it like {example(unit)}.")
    bare = match[1].replace(",", "").replace("\N{MINUS SIGN}", "-")
    return float(bare) * (sizes.get(suffix, 1.0) if suffix else 1.0)
