"""The two stretches of time that are compared, read from an address: `a_from`, `a_to` (before) and `b_from`, `b_to` (after)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.metrics.ranges import BadRange, Range, read_range

LONGEST, SHORTEST = timedelta(days=31), timedelta(minutes=3)
NAMES = ("a_from", "a_to", "b_from", "b_to")
HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Windows:
    """Before and after: two ranges that do not overlap. They may be of different length; figures are a second or a call."""

    before: Range
    after: Range

    @property
    def query(self) -> str:
        """What to write into an address to see the same comparison."""
        moments = (self.before.start, self.before.end, self.after.start, self.after.end)
        return urlencode({name: f"{at:%Y-%m-%dT%H:%M:%SZ}" for name, at in zip(NAMES, moments, strict=True)})


PRESETS = (
    (gettext_lazy("last hour against the hour before"), HOUR, HOUR),
    (gettext_lazy("last 15 minutes against the 15 before"), HOUR / 4, HOUR / 4),
    (gettext_lazy("last hour against the same hour yesterday"), HOUR, DAY),
    (gettext_lazy("last hour against the same hour a week ago"), HOUR, WEEK),
    (gettext_lazy("last 24 hours against the 24 before"), DAY, DAY),
)


def presets(now: datetime) -> list[tuple[str, Windows]]:
    """The choices with their windows, whole minutes, ending now."""
    end = now.replace(second=0, microsecond=0)
    return [
        (str(words), Windows(Range(end - back - length, end - back), Range(end - length, end)))
        for words, length, back in PRESETS
    ]


def read_windows(query: Mapping[str, str], now: datetime) -> Windows | None:
    """The windows an address asks for; None where it asks for none. Raises BadRange, with what to write instead."""
    if not any(query.get(name) for name in NAMES):
        return None
    before, after = _read("a", _("before"), query, now), _read("b", _("after"), query, now)
    if before.start < after.end and after.start < before.end:
        raise BadRange(
            _(
                "The two windows overlap: the same minutes would stand on both sides. Let one end where the other begins."
            )
        )
    return Windows(before, after)


def _read(letter: str, word: str, query: Mapping[str, str], now: datetime) -> Range:
    given = {"from": query.get(f"{letter}_from", ""), "to": query.get(f"{letter}_to", "")}
    try:
        found = read_range(given, now)
    except BadRange as problem:
        raise BadRange(_("The window “%(word)s”: %(problem)s") % {"word": word, "problem": problem}) from problem
    if not SHORTEST <= found.end - found.start <= LONGEST:
        raise BadRange(
            _(
                "The window “%(word)s” must be at least 3 minutes and at most 31 days long, as statements are read once a minute."
            )
            % {"word": word}
        )
    return found
