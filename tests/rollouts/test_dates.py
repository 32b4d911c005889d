"""Which dates weeks, days and windows fall on, in zones whose clocks change."""

from datetime import UTC, date, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.playbook.plan import Week, Weekday, WeekKind, Window
from apps.playbook.validate import current
from apps.rollouts.dates import Planned, Span, next_monday, opens, planned

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = date(2026, 11, 30)
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Amman", "Australia/Lord_Howe", "Pacific/Apia"]


@cache
def playbook() -> tuple[Week, ...]:
    """The mission's weeks, read once."""
    return current().playbook.weeks


def weeks(first: date = MONDAY) -> tuple[dict[str, Planned], Span]:
    """The mission's weeks by slug, and the stabilisation."""
    found, after = planned(playbook(), first, BERLIN)
    return {one.week.slug: one for one in found}, after


def test_the_missions_weeks_follow_each_other_over_eight_and_the_stabilisation_after_them() -> None:
    found, after = weeks()
    assert [one.numbers for one in found.values()] == [(0, 0), (1, 2), (3, 4), (5, 6), (7, 7), (8, 8), (9, 10)]
    assert found["pre-rollout"].span == Span(date(2026, 11, 23), date(2026, 11, 29))
    assert found["week-1-2"].span == Span(MONDAY, date(2026, 12, 13))
    assert found["week-8"].span == Span(date(2027, 1, 18), date(2027, 1, 24))
    assert after == found["final"].span == Span(date(2027, 1, 25), date(2027, 2, 7))


def test_a_day_has_its_dates_and_one_of_the_second_week_is_a_week_later() -> None:
    days = {day.name: span for day, span in weeks()[0]["week-3-4"].days}
    assert days["Wednesday"] == Span(date(2026, 12, 16), date(2026, 12, 16))
    assert days["Week 4"] == Span(date(2026, 12, 21), date(2026, 12, 27))
    first = {day.name: span for day, span in weeks()[0]["week-1-2"].days}
    assert first["Thursday and Friday"] == Span(date(2026, 12, 3), date(2026, 12, 4))


def test_the_window_of_week_8_is_saturday_night_where_the_tier_is() -> None:
    opening = weeks()[0]["week-8"].window
    assert opening is not None
    assert opening.start.isoformat() == "2027-01-23T02:00:00+01:00"
    assert (opening.length, opening.shift) == (timedelta(hours=4), timedelta(0))


def test_a_window_over_midnight_ends_the_next_day() -> None:
    opening = weeks()[0]["week-5-6"].window
    assert opening is not None
    assert (opening.start.date(), opening.end.date()) == (date(2026, 12, 30), date(2026, 12, 31))
    assert opening.length == timedelta(hours=4)


@pytest.mark.parametrize(
    ("monday", "start", "end", "hours", "first_utc"),
    [
        (date(2026, 3, 23), time(1), time(5), 3, "2026-03-29T00:00:00+00:00"),  # 02:00–03:00 is left out
        (date(2026, 10, 19), time(1), time(5), 5, "2026-10-24T23:00:00+00:00"),  # 02:00–03:00 comes twice
        (date(2026, 3, 23), time(2, 30), time(5), 1.5, "2026-03-29T01:30:00+00:00"),  # begins in the hour left out
        (date(2026, 10, 19), time(1), time(2, 30), 2.5, "2026-10-24T23:00:00+00:00"),  # ends at the later 02:30
    ],
)
def test_a_window_in_the_night_of_a_changed_clock(
    monday: date, start: time, end: time, hours: float, first_utc: str
) -> None:
    opening = opens(Window(day=Weekday.SUNDAY, start=start, end=end), monday, BERLIN)
    assert opening is not None
    assert opening.start.astimezone(UTC).isoformat() == first_utc
    assert opening.length == timedelta(hours=hours)
    assert opening.shift


def test_a_window_on_any_day_has_no_date() -> None:
    assert opens(Window(day=Weekday.ANY, start=time(2), end=time(4)), MONDAY, BERLIN) is None


@given(day=st.dates(date(2020, 1, 1), date(2040, 1, 1)), zone=st.sampled_from(ZONES))
def test_weeks_meet_without_gap_or_overlap_and_windows_lie_in_them(day: date, zone: str) -> None:
    monday = next_monday(day)
    assert monday.weekday() == 0
    assert monday - day >= timedelta(days=7)
    found, after = planned(playbook(), monday, ZoneInfo(zone))
    blocks = [one for one in found if one.week.kind is not WeekKind.FINAL]
    for one, following in pairwise(blocks):
        assert one.span.last + timedelta(days=1) == following.span.first
    assert blocks[-1].span.last + timedelta(days=1) == after.first
    for one in found:
        if one.window:
            assert one.span.first <= one.window.start.date() <= one.span.last
            assert one.window.length == timedelta(seconds=one.window.end.timestamp() - one.window.start.timestamp())
            assert one.window.length > timedelta(0)
