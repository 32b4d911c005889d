"""The portal as the benchmarks find it: the lab as its tier, a person who is logged in, and an hour of history."""

import os
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection
from django.test import Client

from apps.accounts import grants
from apps.accounts.models import Person
from apps.accounts.roles import Role
from apps.lab import load
from apps.lab.layout import Layout
from apps.lab.register import SLUG, register
from apps.metrics.models import Tier
from apps.metrics.poll import forget, poll, slot_of

USERNAME = "bench"
REAL = 10  # polls of which an hour's history is made
COPIED = (
    ("metrics_sample", "series_id", "value"),
    ("metrics_poll", "node_id", "failure, message, duration_seconds, clock_offset_seconds"),
)


def furnish(layout: Layout) -> Tier:
    """The lab as a registered tier, and the person."""
    if not Person.objects.filter(username=USERNAME).exists():
        grants.add(grants.Newcomer(USERNAME, os.urandom(16).hex(), "Bench", "", ""), roles=[Role.DBA])
    return register(layout)


def fill_an_hour(layout: Layout) -> None:
    """Make the last hour's history: ten polls of the tier under load, what they measured repeated back over the hour."""
    tier, step = Tier.objects.get(slug=SLUG), timedelta(seconds=settings.POLL_SECONDS)
    now = slot_of(datetime.now(UTC))
    load.start(layout)
    for n in range(REAL, 0, -1):
        poll(tier, now - n * step)
    load.stop(layout)
    forget(tier)
    with connection.cursor() as cursor:
        for table, key, columns in COPIED:
            cursor.execute(
                f"INSERT INTO {table} ({key}, at, {columns}) SELECT {key}, at - n * %s::interval, {columns}"  # noqa: S608  constants
                f" FROM {table}, generate_series(1, %s) AS n WHERE at >= %s AND at < %s ON CONFLICT DO NOTHING",
                [str(REAL * step), timedelta(hours=1) // (REAL * step) - 1, now - REAL * step, now],
            )
    keep_fresh()


def keep_fresh() -> bool:
    """Poll the present slot if nobody has: a page over stale data would be another page. Whether something new was kept."""
    return poll(Tier.objects.get(slug=SLUG), slot_of(datetime.now(UTC))) is not None


def cookie() -> str:
    """A session of the bench's person, as a Cookie header."""
    client = Client()
    client.force_login(Person.objects.get(username=USERNAME), backend="django.contrib.auth.backends.ModelBackend")
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
