"""The stretch of time a page shows, read from its address: `?range=6h`, or `?from=…&to=…` in ISO 8601."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

CHOICES: Mapping[str, timedelta] = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
    "90d": timedelta(days=90),
    "1y": timedelta(days=365),
}
LABELS = {
    "15m": gettext_lazy("15 minutes"),
    "1h": gettext_lazy("1 hour"),
    "6h": gettext_lazy("6 hours"),
    "24h": gettext_lazy("24 hours"),
    "7d": gettext_lazy("7 days"),
    "30d": gettext_lazy("30 days"),
    "90d": gettext_lazy("90 days"),
    "1y": gettext_lazy("1 year"),
}
DEFAULT = "1h"
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
SHORTEST, LONGEST = timedelta(seconds=30), timedelta(days=400)


class BadRange(ValueError):
    """The address asks for a stretch of time that cannot be shown; the message says why and what to write."""


@dataclass(frozen=True, slots=True)
class Range:
    """[start, end), aware UTC. `name` is one of CHOICES for a range that ends now, empty for a fixed one."""

    start: datetime
    end: datetime
    name: str = ""

    @property
    def live(self) -> bool:
        """Whether it moves with the clock."""
        return bool(self.name)

    @property
    def query(self) -> str:
        """What to write into an address to see the same stretch."""
        if self.name:
            return urlencode({"range": self.name})
        return urlencode({"from": _iso(self.start), "to": _iso(self.end)})

    @property
    def words(self) -> str:
        """The range in words: "6 hours", or from and to in UTC."""
        if self.name:
            return str(LABELS[self.name])
        same_day = self.start.date() == self.end.date()
        return f"{self.start:%d %b %H:%M}–{self.end:{'%H:%M' if same_day else '%d %b %H:%M'}} UTC"


def read_range(query: Mapping[str, str], now: datetime) -> Range:
    """The range an address asks for; the last hour where it asks for none. `now` is aware. Raises BadRange."""
    if "from" in query or "to" in query:
        return _fixed(query, now)
    name = query.get("range", DEFAULT)
    if name not in CHOICES:
        raise BadRange(
            _("There is no range “%(name)s”. Choose one of: %(all)s.") % {"name": name[:40], "all": ", ".join(CHOICES)}
        )
    return Range(now - CHOICES[name], now, name)


def _fixed(query: Mapping[str, str], now: datetime) -> Range:
    start, end = _moment("from", query.get("from")), _moment("to", query.get("to")) if "to" in query else now
    if start >= end:
        raise BadRange(_("“from” must lie before “to”. Exchange the two."))
    if start < EARLIEST:
        raise BadRange(_("“from” lies before the year 2000: nothing had been measured yet. Choose a later moment."))
    if start >= now:
        raise BadRange(_("“from” lies in the future: nothing has been measured yet. Choose an earlier moment."))
    if not SHORTEST <= end - start <= LONGEST:
        raise BadRange(
            _("A range is at least 30 seconds and at most 400 days long. Choose “from” and “to” accordingly.")
        )
    return Range(start, end)


def _moment(name: str, written: str | None) -> datetime:
    try:
        found = parse_datetime((written or "").replace(" ", "+"))
        found = found.astimezone(UTC) if found and found.tzinfo else found
    except (ValueError, OverflowError):  # in UTC it may lie before the year 1 or after 9999
        found = None
    if found is None:
        raise BadRange(
            _("“%(name)s” must be a moment such as 2026-03-01T10:00:00Z, but it is “%(written)s”.")
            % {"name": name, "written": (written or "")[:40]}
        )
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
