"""The range in the address: what is understood, and how what is not is refused."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.metrics.ranges import CHOICES, LONGEST, SHORTEST, BadRange, read_range

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
