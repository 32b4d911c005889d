"""Two windows compared: figures that add up, changes split into their causes, windows that make no sense refused."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.metrics.lines import Line
from apps.metrics.ranges import BadRange
from apps.queries.comparison import Comparison, compare, measured
from apps.queries.minutes import COUNTED, Minutes
from apps.queries.windows import presets, read_windows

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def lines(**statements: tuple[float, float]) -> list[Line]:
    """Ten minutes of one server: calls a second and mean in ms of each statement."""
    found, times = [], [60.0 * n for n in range(10)]
    whole = sum(calls * mean / 1000 for calls, mean in statements.values())
    for name, (calls, mean) in {**statements, "": (sum(c for c, _ in statements.values()), 0.0)}.items():
        load = calls * mean / 1000 if name else whole
        for metric, value in (("calls", calls), ("load", load), ("rows", calls)):
            found.append(Line(f"queries.history.{metric}", "one", name, times, [value] * 10))
    return found


def minutes(found: list[Line], of_each: float = 1.0) -> Minutes:
    """As many minutes in each step that has a number."""
    return Minutes(
        [replace(line, values=[v and of_each for v in line.values]) for line in found if line.metric == COUNTED]
    )


def compared(before: list[Line], after: list[Line]) -> Comparison:
    return compare(measured(before, minutes(before)), measured(after, minutes(after)))


def test_the_change_is_told_by_calls_and_by_their_length() -> None:
    found = compared(lines(a=(10, 5), b=(1, 100)), lines(a=(20, 4), c=(1, 50)))
    assert [(change.name, change.kind) for change in found.changes] == [("b", "gone"), ("c", "new"), ("a", "both")]
    a = found.changes[2]
    assert (a.load, a.by_calls, a.by_mean) == pytest.approx((0.03, 0.05, -0.02))
    assert a.mean_ratio == pytest.approx(-0.2)
    assert found.at_equal_calls == pytest.approx(-0.2), "of what was called before and after"
    assert found.whole.load == pytest.approx(0.13 - 0.15)
    assert a.share_after == pytest.approx(0.08 / 0.13)


def test_a_minute_without_a_statement_is_none_of_it_and_one_without_anything_does_not_count() -> None:
    part = [
        Line(line.metric, "one", "rare", line.times[:5], line.values[:5]) for line in lines(x=(4, 10)) if line.object
    ]
    both = lines(a=(1, 1)) + part
    found = measured(both, minutes(both))
    assert found.by_statement["rare"].calls == 2
    assert found.by_statement["a"].calls == 1
    assert found.measured == 600


def test_a_statement_that_was_kept_for_a_part_of_a_long_step_counts_for_that_part() -> None:
    """Ten steps of an hour: one statement all the time, one for a quarter of an hour of the last."""
    long = lines(a=(1, 1))
    brief = [Line(f"queries.history.{m}", "one", "brief", long[0].times[-1:], [8]) for m in ("calls", "load", "rows")]
    counts = [Line(COUNTED, "one", name, long[0].times, [60.0] * 10) for name in ("", "a")]
    counts.append(Line(COUNTED, "one", "brief", long[0].times[-1:], [15.0]))
    found = measured(long + brief, Minutes(counts))
    assert found.by_statement["brief"].calls == pytest.approx(8 * 15 / 600)
    assert found.by_statement["a"].calls == pytest.approx(1)
    assert found.measured == 36_000


def test_a_server_that_drops_statements_from_its_list_does_not_seem_to_work_less() -> None:
    """Of such minutes neither the whole nor the rest is known; it is no half of it."""
    before = lines(a=(4, 1000), other=(6, 1000))
    after = [
        Line(line.metric, "one", line.object, line.times, list(line.values) if line.object == "a" else [10, None] * 5)
        for line in before
        if line.object
    ]
    after += [
        Line(f"queries.history.{m}", "one", "", before[0].times, [14, None] * 5) for m in ("calls", "load", "rows")
    ]
    found = compared(before, after)
    assert found.whole.before.load == pytest.approx(10)
    assert found.whole.after.load == pytest.approx(14), "4 of the statement, 10 of the rest"
    assert [(change.name, change.load) for change in found.changes] == [("other", 4), ("a", 0)]


def test_servers_are_added_up() -> None:
    two = [Line(line.metric, "two", line.object, line.times, line.values) for line in lines(a=(1, 10))]
    both = lines(a=(1, 10)) + two
    found = measured(both, minutes(both))
    assert (found.by_statement["a"].calls, found.nodes) == (2, 2)
    assert found.whole.load == pytest.approx(0.02)


RATES = st.dictionaries(st.sampled_from("abcd"), st.tuples(st.floats(0, 1000), st.floats(0.001, 1000)), min_size=1)


@given(RATES, RATES)
def test_the_parts_make_up_the_whole(
    before: dict[str, tuple[float, float]], after: dict[str, tuple[float, float]]
) -> None:
    found = compared(lines(**before), lines(**after))
    scale = max(found.whole.before.load, found.whole.after.load, 1e-9)
    assert sum(change.load for change in found.changes) / scale == pytest.approx(found.whole.load / scale, abs=1e-6)
    for change in found.changes:
        assert (change.by_calls + change.by_mean) / scale == pytest.approx(change.load / scale, abs=1e-6)


def ask(a_from: str, a_to: str, b_from: str, b_to: str) -> dict[str, str]:
    return {
        "a_from": f"2026-11-24T{a_from}Z",
        "a_to": f"2026-11-24T{a_to}Z",
        "b_from": f"2026-11-24T{b_from}Z",
        "b_to": f"2026-11-24T{b_to}Z",
    }


@pytest.mark.parametrize(
    ("query", "says"),
    [
        (ask("09:00:00", "10:30:00", "10:00:00", "11:00:00"), "overlap"),
        (ask("10:00:00", "09:00:00", "10:00:00", "11:00:00"), "“before”: “from” must lie before “to”"),
        (ask("09:00:00", "09:02:00", "10:00:00", "11:00:00"), "at least 3 minutes"),
        (ask("13:00:00", "14:00:00", "10:00:00", "11:00:00"), "lies in the future"),
        ({"a_from": "yesterday"}, "must be a moment"),
    ],
)
def test_windows_that_make_no_sense_are_refused_with_the_reason(query: dict[str, str], says: str) -> None:
    with pytest.raises(BadRange, match=says):
        read_windows(query, NOW)


def test_presets_are_permanent_addresses() -> None:
    for _words, windows in presets(NOW):
        asked = dict(part.split("=") for part in windows.query.replace("%3A", ":").split("&"))
        assert read_windows(asked, NOW + timedelta(seconds=1)) == windows
