"""The week's page of a rollout on whose record are two thousand ticks, beside a bare page of as many queries.

A week has as many items as a person can look through; what grows is the record: items ticked, taken back and ticked again.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from statistics import median

from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Person
from apps.lab.layout import HOST, Layout
from apps.ledger.chain import append
from apps.metrics.models import Tier
from apps.rollouts.models import Rollout, Tick
from apps.rollouts.start import playbook_of, start
from bench.harness import Goal
from bench.harness import table as drawn
from bench.history import USERNAME, cookie, furnish, keep_fresh
from bench.pages import Served, served, under_wrk

TICKS = 2000
WEEK = "week-1-2"
LONGEST = 100  # ms of server time


@dataclass(frozen=True, slots=True)
class Viewed:
    """The week's page and the bare page under wrk, an entry a round, and the queries that each makes."""

    queries: int
    ours: list[Served]
    bare: list[Served]

    def table(self) -> str:
        """Medians."""
        rows = [
            (name, *(self._of(found, part) for part in ("rate", "p50", "p95", "size"))) for name, found in self._both()
        ]
        head = (f"{self.queries} queries", "req/s", "p50 ms", "p95 ms", "bytes")
        return drawn(f"The week's page with {TICKS:,} ticks on record; one process, one connection", head, rows)

    def goals(self) -> list[Goal]:
        """What the page should take."""
        return [Goal("the week's page, p50 in ms", self._of(self.ours, "p50"), LONGEST)]

    def raw(self) -> dict[str, float]:
        """The medians, for the record."""
        return {f"{name} {part}": self._of(found, part) for name, found in self._both() for part in ("p50", "p95")}

    def _both(self) -> list[tuple[str, list[Served]]]:
        return [("the week's page", self.ours), ("bare page", self.bare)]

    def _of(self, found: list[Served], part: str) -> float:
        return float(median(getattr(one, part) for one in found))


def viewed(layout: Layout, rounds: int, *, quick: bool) -> Viewed:
    """Serve both pages and look at them in turn."""
    tier = furnish(layout)
    keep_fresh()
    path, session, seconds = f"/rollouts/{_recorded(tier).pk}/weeks/{WEEK}/", cookie(), 1 if quick else 3
    client = Client(headers={"cookie": session, "host": HOST})
    client.get(path)
    with CaptureQueriesContext(connection) as captured:
        if (status := client.get(path).status_code) != 200:
            raise RuntimeError(f"{path} answered {status}")
    found = Viewed(len(captured), [], [])
    with ExitStack() as stack:
        ours = stack.enter_context(served(layout, "opsportal.settings", "opsportal.wsgi:application"))
        bare = stack.enter_context(served(layout, "bench.bare_settings", "bench.bare_wsgi:application"))
        for _round in range(rounds):
            keep_fresh()
            found.ours.append(under_wrk(f"{ours}{path}", session, 1, seconds, htmx=False))
            found.bare.append(under_wrk(f"{bare}/{found.queries}/", session, 1, seconds, htmx=False))
    return found


def _recorded(tier: Tier) -> Rollout:
    """The rollout, made once: every item of its weeks stands settled, the rest of the ticks were taken back."""
    person = Person.objects.get(username=USERNAME)
    if (made := Rollout.objects.filter(tier=tier, name="Two thousand").first()) is not None:
        return made
    rollout, now = start(tier, "Two thousand", person), datetime.now(UTC)
    items = [(week.slug, item) for week in playbook_of(rollout).weeks for item in week.items()]
    ticks = []
    for number in range(TICKS):
        week, item = items[number % len(items)]
        at, last = now - (TICKS - number) * timedelta(seconds=30), number >= TICKS - len(items)
        ticks.append(
            Tick(
                rollout=rollout, week=week, item=item.slug, by=person, at=at, outcome="done", note=f"looked at it, {number}",
                digest=sha256(str(number).encode()).hexdigest(),
                undone_at=None if last else at + timedelta(seconds=20), undone_by=None if last else person,
                undone_why="" if last else "it was another host",
            )
        )  # fmt: skip
    with transaction.atomic():
        Tick.objects.bulk_create(ticks)
        for tick in ticks:
            body = {"text": tick.item, "week": tick.week, "outcome": tick.outcome}
            append(
                kind="rollout.tick", subject=f"rollout/{rollout.pk}/{tick.week}/{tick.item}", actor=USERNAME, body=body,
                tier=tier.slug,
            )  # fmt: skip
    return rollout
