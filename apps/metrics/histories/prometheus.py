"""Samples in any store that speaks Prometheus' protocols: sent by remote write, read by PromQL range queries.

A poll's samples are written down as unsent in the poll's own transaction and sent afterwards, in their order. While the store does not
take them they wait, at most MOST_UNSENT polls; what is dropped beyond that, or refused by the store for good, is counted and shown.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
import numpy as np
import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, F, Min
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.metrics.histories import REDUCE, HistoryUnreachable, Key
from apps.metrics.histories.remote_write import HEADERS, write_request
from apps.metrics.kernel import Row
from apps.metrics.levels import floored
from apps.metrics.lines import Grain, Line
from apps.metrics.models import Forwarding, Node, Tier, Unsent
from apps.metrics.names import external, labels, quoted
from apps.metrics.rolls import interruption
from apps.metrics.store import SeriesBook, upsert_newest
from apps.telemetry import correlation

log = structlog.get_logger()

MOST_UNSENT = 10_000  # polls; a day of one tier and a little
REFUSED = {400, 409, 422}
"""Answers that are of what was sent: it will never be taken. All others are of the address, the token, a proxy or the moment (a redirect,
an entity too large for nginx), and samples wait until somebody has mended that.
"""
REMEMBERED = timedelta(days=1)
"""For how long after the last poll was lost that is told, with how many before it; then counting begins anew."""
TIMEOUT = httpx.Timeout(10, connect=3)
SOURCE = gettext_lazy("the store of history")
FUNCTIONS = {reduce: f"{reduce}_over_time" for reduce in REDUCE}
LOCK = 0x6F707362  # one sender at a time, so that samples arrive in their order
ALMOST = 0.001  # seconds: a window of PromQL has its end in it and not its beginning; ours are the other way round


class PrometheusHistory:
    """`url`: without `/api/v1`; it may hold user and password."""

    def __init__(self, url: str, token: str = "") -> None:
        self._book = SeriesBook()
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(
            base_url=url, timeout=TIMEOUT, headers=bearer, event_hooks={"request": [correlation.carry]}
        )

    def write(self, tier: Tier, slot: datetime, values: Mapping[Key, float | None]) -> None:
        """Write them down as unsent, the newest for scrapers too, and drop the oldest where too many wait."""
        ids = self._book.ids(tier.pk, values)
        upsert_newest(slot, [(ids[key], _number(value)) for key, value in values.items()])
        names = dict(Node.every.filter(tier=tier).values_list("id", "name"))
        series = (
            (labels(metric, tier.slug, names.get(node or 0, ""), of), _number(value))
            for (node, metric, of), value in values.items()
        )
        body = write_request(series, round(slot.timestamp() * 1000))
        Unsent.objects.create(at=slot, samples=len(values), body=body)
        surplus = Unsent.objects.count() - MOST_UNSENT
        if surplus > 0:
            oldest = Unsent.objects.order_by("id").values_list("id", flat=True)[surplus - 1]
            _lost(surplus, slot, "The store of history took nothing for too long.")
            Unsent.objects.filter(id__lte=oldest).delete()

    def settle(self, now: datetime) -> int:
        """Send what is unsent, the oldest first, until nothing is left or the store does not take it; how many polls were sent."""
        sent = 0
        while self._send_one(now):
            sent += 1
        return sent

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def _send_one(self, now: datetime) -> bool:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
            first = Unsent.objects.order_by("id").first() if cursor.fetchone()[0] else None
            if first is None:
                return False
            try:
                answer = self._client.post("/api/v1/write", content=bytes(first.body), headers=HEADERS)
            except httpx.HTTPError as error:
                return _waits(now, f"{type(error).__name__}: {error}")
            if answer.is_success:
                Forwarding.objects.update_or_create(pk=1, defaults={"sent_at": now, "message": ""})
            elif answer.status_code in REFUSED:  # the next may be better
                _lost(1, now, _said(answer))
            else:
                return _waits(now, _said(answer))
            first.delete()
        return True

    def state(self, now: datetime) -> Row:
        """How long the oldest unsent poll has waited beyond one interval, in seconds, and how many were lost with no day in between."""
        waiting = Unsent.objects.aggregate(oldest=Min("at"), many=Count("id"))
        behind = (now - waiting["oldest"]).total_seconds() - settings.POLL_SECONDS if waiting["oldest"] else 0.0
        told = Forwarding.objects.filter(pk=1).first()
        recent = told is not None and told.lost_at is not None and now - told.lost_at < REMEMBERED
        return {
            "history_behind_seconds": max(behind, 0.0),
            "history_waiting_polls": waiting["many"],
            "history_lost_polls": told.lost if told and recent else 0,
            "history_message": told.message if told else "",
        }

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
        """One range query for all of them."""
        if not metrics:
            return []
        wish = max(settings.POLL_SECONDS, (end - start).total_seconds() / points)
        step = math.ceil(wish / settings.POLL_SECONDS) * settings.POLL_SECONDS
        first = floored(start, timedelta(seconds=step)).timestamp()
        last = first + math.ceil((end.timestamp() - first) / step) * step
        grain = Grain(reduce, step, SOURCE)
        found: dict[tuple[str, str, str], list[tuple[float, float]]] = defaultdict(list)
        for series in self._range(_query(tier, metrics, reduce, step), first + step - ALMOST, last - ALMOST, step):
            of = series["metric"]
            key = (of["metric"], of.get("node", ""), of.get("object", ""))
            if objects is not None and key[2] not in objects:
                continue
            found[key] += [(round(at + ALMOST) - step, float(value)) for at, value in series["values"]]
        order = {metric: place for place, metric in enumerate(metrics)}
        return [
            _line(key, found[key], step, grain) for key in sorted(found, key=lambda key: (order.get(key[0], 0), key))
        ]

    def _range(self, query: str, start: float, end: float, step: int) -> list[dict[str, Any]]:
        data = {"query": query, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": str(step), "nocache": "1"}
        try:
            answer = self._client.post("/api/v1/query_range", data=data)
            told = answer.json()
            if answer.is_success and told["status"] == "success":
                return list(told["data"]["result"])
            said = f"{answer.status_code} {told.get('error', '')}"
        except (httpx.HTTPError, ValueError, LookupError, TypeError, AttributeError) as error:
            said = f"{type(error).__name__}: {error}"
        log.warning("history.unreadable", said=said[:300])
        raise HistoryUnreachable(
            _("The store of history could not be read (%(said)s). What is measured now is known; charts are not.")
            % {"said": said[:200]}
        )


def _query(tier: Tier, metrics: Sequence[str], reduce: str, step: int) -> str:
    """All metrics in one expression; a function over time drops a metric's name, so each is told its own in a label."""
    return " or ".join(
        f"label_replace({FUNCTIONS[reduce]}({external(metric)}{{tier={quoted(tier.slug)}}}[{step}s]),"
        f' "metric", {quoted(metric)}, "", "")'
        for metric in metrics
    )


def _line(key: tuple[str, str, str], points: Sequence[tuple[float, float]], step: int, grain: Grain) -> Line:
    times: list[float] = []
    values: list[float | None] = []
    found = sorted(points)
    longest = interruption(np.diff([at for at, _value in found]) / step) * step
    for at, value in found:
        if times and at - times[-1] > longest:
            times.append(times[-1] + step)
            values.append(None)
        times.append(at)
        values.append(value if math.isfinite(value) else None)
    return Line(*key, times, values, grain)


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _said(answer: httpx.Response) -> str:
    where = f" to {answer.headers.get('Location', '')[:100]}" if answer.is_redirect else ""
    return f"{answer.status_code}{where} {answer.text[:200]}".replace("\x00", "")


def _waits(now: datetime, said: str) -> bool:
    Forwarding.objects.update_or_create(pk=1, defaults={"failed_at": now, "message": said[:300]})
    log.warning("history.unsent", said=said[:300])
    return False


def _lost(many: int, now: datetime, said: str) -> None:
    Forwarding.objects.get_or_create(pk=1)
    told = Forwarding.objects.filter(pk=1)
    told.filter(lost_at__lte=now - REMEMBERED).update(lost=0)  # that was another time
    told.update(lost=F("lost") + many, lost_at=now, message=said[:300])
    log.error("history.lost", polls=many, said=said[:300])
