"""The portal's own tables of history: partitions made ahead and dropped, judged by this room's tools, told on pages and by the doctor."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import connection
from pytest_django import Settings

from apps.lab.layout import Layout
from apps.metrics import upkeep
from apps.metrics.models import Upkeep
from apps.metrics.tasks import maintain
from apps.partitions.own import OwnTable, summary
from apps.partitions.own_store import own_tables
from tests import database

DAY = timedelta(days=1)


def table(name: str) -> OwnTable:
    return next(one for one in own_tables(datetime.now(UTC)) if one.name == name)


def test_what_the_task_keeps_is_whole_by_this_rooms_tools(db: None) -> None:
    maintain()
    found = {one.name: one for one in own_tables(datetime.now(UTC))}
    assert set(found) == {"metrics_sample", "metrics_poll", "metrics_chunk_raw", "metrics_chunk_5m", "metrics_chunk_1h"}
    assert found["metrics_poll"].ahead == 7
    assert found["metrics_poll"].length == DAY
    assert found["metrics_chunk_5m"].length == 8 * DAY
    assert found["metrics_chunk_1h"].length == 32 * DAY
    for one in found.values():
        assert one.hours_left and one.hours_left > 7 * 24
        assert (one.gaps, one.overdue, one.unread, one.failing_seconds) == ([], [], 0, 0)
        assert one.total_bytes
    assert found["metrics_poll"].kept["setting"] == "OPSPORTAL_RAW_DAYS"
