"""The range in the address: what is understood, and how what is not is refused."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.models import Person
from apps.metrics.models import Tier
from apps.metrics.ranges import CHOICES, LONGEST, SHORTEST, BadRange, read_range
from tests.people import Browser

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def test_without_a_wish_the_last_hour_is_shown() -> None:
    found = read_range({}, NOW)
    assert (found.start, found.end, found.live) == (NOW - timedelta(hours=1), NOW, True)


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice_ends_now_and_is_a_permalink(name: str) -> None:
    found = read_range({"range": name}, NOW)
    assert found.end == NOW
    assert found.end - found.start == CHOICES[name]
    assert read_range(dict(parse_qsl(found.query)), NOW) == found


def test_a_zoomed_stretch_does_not_move() -> None:
    found = read_range({"from": "2026-03-01T10:00:00Z", "to": "2026-03-01T12:30:00+02:00"}, NOW)
    assert (found.start.hour, found.end.hour, found.end.minute, found.live) == (10, 10, 30, False)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"range": "5y"}, "no range “5y”"),
        ({"range": "<script>"}, "Choose one of"),
        ({"from": "yesterday", "to": "2026-03-01T10:00:00Z"}, "must be a moment such as"),
        ({"from": "2026-13-01T10:00:00Z"}, "must be a moment such as"),
        ({"to": "2026-03-01T10:00:00Z"}, "“from” must be a moment"),
        ({"from": "0001-01-01T00:00:00+14:00"}, "“from” must be a moment"),  # before the year 1 in UTC
        ({"from": "2026-03-01T10:00:00Z", "to": "9999-12-31T23:59:59-12:00"}, "“to” must be a moment"),
        ({"from": "2026-03-01T11:00:00Z", "to": "2026-03-01T10:00:00Z"}, "must lie before"),
        ({"from": "2026-03-01T10:00:00Z", "to": "2026-03-01T10:00:01Z"}, "at least 30 seconds"),
        ({"from": "2024-01-01T10:00:00Z", "to": "2026-03-01T10:00:00Z"}, "at most 400 days"),
        ({"from": "2027-01-01T10:00:00Z", "to": "2027-01-01T11:00:00Z"}, "in the future"),
    ],
)
def test_nonsense_is_refused_with_what_to_write_instead(query: dict[str, str], said: str) -> None:
    with pytest.raises(BadRange, match=said):
        read_range(query, NOW)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine proves nothing
@given(st.dictionaries(st.sampled_from(["range", "from", "to"]), st.text(max_size=40)))
def test_whatever_is_asked_the_answer_is_a_range_or_a_refusal(query: dict[str, str]) -> None:
    with suppress(BadRange):
        found = read_range(query, NOW)
        assert SHORTEST <= found.end - found.start <= LONGEST


MOMENT = "must be a moment such as"
EDGES = [
    ("0001-01-01T00:00:00%2B14:00", "0001-01-02T00:00:00Z", MOMENT),
    ("9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59Z", MOMENT),
    ("2026-03-01T10:00:00Z", "9999-12-31T23:59:59-12:00", MOMENT),
    ("0001-01-01T00:00:00Z", "0001-01-02T00:00:00Z", "before the year 2000"),
]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/t/lab/queries/",
        "/t/lab/queries/1/",
        "/t/lab/queries/compare/",
        "/t/lab/queries/tables/p95.csv",
    ],
)
@pytest.mark.parametrize(("start", "end", "said"), EDGES)
def test_no_page_breaks_at_the_ends_of_the_calendar(
    viewer: Person, browser: Browser, path: str, start: str, end: str, said: str
) -> None:
    Tier.objects.create(slug="lab", name="Lab")
    query = f"from={start}&to={end}"
    if path.endswith("compare/"):
        query = f"a_from={start}&a_to={end}&b_from=2026-03-01T10:00:00Z&b_to=2026-03-01T11:00:00Z"
    answer = browser(viewer).get(f"{path}?{query}")
    assert answer.status_code == 400
    assert said in answer.content.decode()
