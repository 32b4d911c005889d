"""What ranges cover: gaps, overlaps, how long the partitions last, how long they are."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from apps.partitions.coverage import Cadence, Span, ahead, cadence, covered_until, gaps, months_before, overlaps, skew
from apps.partitions.inventory import Table

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def months(first: tuple[int, int], count: int, step: int = 1) -> list[Span]:
    """Spans of `step` months."""
    starts = [divmod(first[0] * 12 + first[1] - 1 + n * step, 12) for n in range(count + 1)]
    days = [datetime(year, month + 1, 1, tzinfo=UTC) for year, month in starts]
    return list(pairwise(days))


def test_cadences() -> None:
    assert cadence(months((2024, 1), 30)) is Cadence.MONTHLY
    assert cadence(months((2024, 1), 8, step=3)) is Cadence.QUARTERLY
    assert cadence(months((2020, 1), 5, step=12)) is Cadence.YEARLY
    assert cadence([(NOON + n * 7 * DAY, NOON + (n + 1) * 7 * DAY) for n in range(4)]) is Cadence.WEEKLY
    assert cadence([(NOON, NOON + DAY), (NOON + DAY, NOON + 40 * DAY)]) is Cadence.IRREGULAR
    assert cadence([]) is Cadence.IRREGULAR


CUTS = st.lists(st.integers(-500, 500), min_size=2, max_size=12, unique=True)


@given(CUTS, st.data())
def test_taking_one_out_of_a_seamless_row_makes_exactly_that_gap(cuts: list[int], data: st.DataObject) -> None:
    marks = [NOON + cut * timedelta(hours=1) for cut in sorted(cuts)]
    spans = list(pairwise(marks))
    assert gaps(spans) == []
    assert overlaps(spans) == []
    if len(spans) >= 3:
        missing = data.draw(st.sampled_from(spans[1:-1]))
        assert gaps([span for span in spans if span != missing]) == [missing]


@given(CUTS, st.permutations(range(12)))
def test_the_order_of_the_catalog_does_not_matter(cuts: list[int], order: list[int]) -> None:
    marks = [NOON + cut * timedelta(hours=1) for cut in sorted(cuts)]
    spans = list(pairwise(marks))
    shuffled = [spans[n] for n in order if n < len(spans)]
    assert covered_until(shuffled, NOON) == covered_until(spans, NOON)
    assert ahead(shuffled, NOON) == ahead(spans, NOON)
    if spans[0][0] <= NOON < spans[-1][1]:
        assert covered_until(spans, NOON) == spans[-1][1]
    else:
        assert covered_until(spans, NOON) == NOON
        assert ahead(spans, NOON) == 0


def test_a_gap_ends_what_lies_ahead() -> None:
    spans = months((2026, 10), 6)
    assert ahead(spans, NOON) == 4
    assert ahead([span for span in spans if span[0].month != 1], NOON) == 1
    assert covered_until([span for span in spans if span[0].month != 1], NOON) == datetime(2027, 1, 1, tzinfo=UTC)


def test_spans_that_overlap_are_found() -> None:
    found = overlaps([(NOON, NOON + 3 * DAY), (NOON + 2 * DAY, NOON + 5 * DAY)])
    assert found == [(NOON + 2 * DAY, NOON + 3 * DAY)]


def test_retention_is_counted_in_whole_months() -> None:
    assert months_before(NOON, 24) == datetime(2024, 11, 1, tzinfo=UTC)
    table = Table("public.conversation_message", NOON, tuple(months((2024, 8), 30)))
    assert [start.month for start, _end in table.past_retention()] == [8, 9, 10]
    twin = Table("public.conversation_message_partitioned", NOON, tuple(months((2024, 8), 30)))
    assert len(twin.past_retention()) == 3
    assert Table("public.message_queue", NOON, tuple(months((2020, 1), 90))).past_retention() == []


def test_samples_of_a_table_about_to_end() -> None:
    table = Table("public.message", NOON, tuple(months((2026, 6), 6)))
    told = dict(table.samples([10, 10, 50], NOON - timedelta(days=62)))
    assert told["ahead"] == 0
    assert told["missing_ahead"] == 2
    assert told["hours_left"] == 6.5 * 24
    assert told["skew"] == 5
    assert told["periods_since_maintenance"] == 2
    assert dict(Table("public.message", NOON, ()).samples([], None)) == {}


def test_empty_partitions_have_no_skew() -> None:
    assert skew([0, 0]) is None
    assert skew([7]) == 1
