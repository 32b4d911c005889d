"""Where samples are kept: in the portal's own PostgreSQL, or in any store that speaks Prometheus' protocols.

Checks, alerts, latest answers and the rows of each poll are in PostgreSQL in any case.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Protocol, TypeAlias

from django.conf import settings

from apps.metrics.kernel import Row
from apps.metrics.lines import Line
from apps.metrics.models import Tier

Key: TypeAlias = tuple[int | None, str, str]
"""What a sample is of, within a tier: node id (None: the tier as a whole), metric, object."""

REDUCE = ("avg", "max", "min", "last", "count")


class HistoryUnreachable(Exception):
    """The store of samples gave no answer; the message says which and what it said. What was measured now is known all the same."""


class History(Protocol):
    """A store of samples."""

    def settle(self, now: datetime) -> int:
        """What has to be done with what was written, now and then: sealing it, sending it. How many parts were done."""

    def state(self, now: datetime) -> Row:
        """`history_behind_seconds`: for how long `settle` is late; `history_lost_polls`: polls whose samples were dropped."""

    def write(self, tier: Tier, slot: datetime, values: Mapping[Key, float | None]) -> None:
        """Keep the samples of one poll, in the caller's transaction: with it or not at all. None: asked, and there was no number."""

    def lines(
        self,
        tier: Tier,
        metrics: Sequence[str],
        start: datetime,
        end: datetime,
        points: int,
        reduce: str,
        *,
        objects: Sequence[str] | None = None,
    ) -> list[Line]:
        """Every series of these metrics (of these objects only, where given) in [start, end), thinned to about `points` values.

        Raises HistoryUnreachable.
        """


@cache
def history() -> History:
    """The store that OPSPORTAL_HISTORY names."""
    if settings.HISTORY == "prometheus":
        from apps.metrics.histories.prometheus import PrometheusHistory  # noqa: PLC0415  only where it is used

        return PrometheusHistory(settings.HISTORY_URL, settings.HISTORY_TOKEN)
    from apps.metrics.histories.postgres import PostgresHistory  # noqa: PLC0415

    return PostgresHistory()
