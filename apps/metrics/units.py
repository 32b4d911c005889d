"""Numbers with their unit as a person reads them."""

import math

from apps.metrics.kernel import Unit

_BYTES = ("B", "kB", "MB", "GB", "TB")
NARROW = "\N{NO-BREAK SPACE}"


def number(value: float) -> str:
    """Up to three significant digits, thousands grouped.

    >>> [number(v) for v in (0, 0.1234, 7.42, 84, 1240, 1048576)]
    ['0', '0.12', '7.4', '84', '1,240', '1,048,576']
    """
    if value == 0 or abs(value) >= 100 or float(value).is_integer():
        return f"{value:,.0f}"
    if abs(value) >= 1:
        return f"{value:.1f}"
    return f"{value:.2g}"


def duration(seconds: float) -> str:
    """A length of time in words.

    >>> [duration(v) for v in (0.0004, 0.212, 7.4, 200, 7500, 180000)]
    ['0.4\\xa0ms', '212\\xa0ms', '7.4\\xa0s', '3\\xa0min 20\\xa0s', '2\\xa0h 5\\xa0min', '2\\xa0d 2\\xa0h']
    """
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
    """Value and unit as text; a dash where there is no number.

    >>> show(0.843, Unit.RATIO), show(1, Unit.YES_NO), show(None, Unit.COUNT)
    ('84.3\\xa0%', 'yes', '–')
    """
    if value is None or not math.isfinite(value):
        return "–"
    match Unit(unit):
        case Unit.SECONDS:
            return duration(value)
        case Unit.MILLISECONDS:
            return duration(value / 1000)
        case Unit.HOURS:
            return duration(value * 3600)
        case Unit.DAYS:
            return f"{number(value)}{NARROW}d"
        case Unit.BYTES:
            return size(value)
        case Unit.RATIO:
            return f"{number(round(value * 100, 2))}{NARROW}%"
        case Unit.YES_NO:
            return "yes" if value else "no"
        case Unit.COUNT:
            return number(value)
        case Unit.PER_SECOND | Unit.PER_MINUTE:
            return f"{number(value)}{NARROW}{Unit(unit).value}"
