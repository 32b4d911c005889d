"""What a run does about failures: guilty rows are named, passing ones outlived, a sick server left alone, and it ends when asked."""

import resource
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.batch import (
    Breaking,
    Cancel,
    Circuit,
    Ended,
    How,
    Isolation,
    OnError,
    Progress,
    Refused,
    Result,
    Retry,
    SourceFailed,
    create,
    upsert,
)
from apps.batch.bundles import LONGEST_READING
from apps.batch.chunks import Part, chunks, guilty
from apps.batch.resume import BadToken
from apps.batch.session import Session
from tests.batch.conftest import Shop
from tests.conftest import Until

COLUMNS = ("id", "amount")
QUICK = Retry(attempts=4, first=timedelta(milliseconds=20))


@given(st.integers(0, 60), st.integers(1, 20))
def test_chunks_are_the_input_in_order(count: int, size: int) -> None:
    made = list(chunks(iter(range(count)), size))
    assert [row for chunk in made for row in chunk.rows] == list(range(count))
    assert [chunk.number for chunk in made] == list(range(len(made)))
    assert all(list(chunk.rows) == list(range(chunk.first, chunk.last + 1)) for chunk in made)
    assert all(len(chunk.rows) == size for chunk in made[:-1])


@given(st.integers(1, 60), st.sets(st.integers(0, 59)))
def test_halving_finds_exactly_the_guilty_and_sends_the_rest_once_in_order(count: int, bad: set[int]) -> None:
    sent: list[int] = []

    def attempt(part: Part) -> Exception | None:
        if bad & set(part.rows):
            return ValueError(str(part.rows))
        sent.extend(part.rows)
        return None

    found = [number for number, _ in guilty(Part(range(count), range(100, 100 + count)), attempt)]
    assert found == [100 + n for n in range(count) if n in bad]
    assert sent == [n for n in range(count) if n not in bad]


@pytest.mark.parametrize("bad", [0, 511, 1023])
def test_one_guilty_row_costs_two_attempts_for_each_halving_and_not_one_for_each_row(bad: int) -> None:
    sizes: list[int] = []

    def attempt(part: Part) -> Exception | None:
        sizes.append(len(part.rows))
        return ValueError() if bad in part.rows else None

    assert [number for number, _ in guilty(Part(range(1024), range(1024)), attempt)] == [bad]
    assert sorted(sizes) == sorted(2 * [2**n for n in range(10)])


def test_guilty_rows_are_named_with_their_cause_and_the_others_written(shop: Shop) -> None:
    rows: list[Any] = [(n, n) for n in range(500)]
    rows[7], rows[123], rows[124], rows[499] = (7, -1), (123, 2**31), (122, 5), (499, "many")
    result = create(shop.price, rows, columns=COLUMNS, using=shop.address, how=How(chunk=100))
    assert [error.first for error in result.errors] == [7, 123, 124, 499]
    assert [error.kind for error in result.errors] == ["23514", "Unfit", "23505", "Unfit"]
    assert "price_amount_check" in result.errors[0].cause
    assert "Failing row" not in result.errors[0].cause
    assert "Key (id)=(122) already exists" in result.errors[2].cause
    assert (result.counts.written, result.counts.failed, result.errors_total) == (496, 4, 4)
    assert [row[0] for row in shop.rows()] == [n for n in range(500) if n not in {7, 123, 124, 499}]
    assert result.ended is Ended.COMPLETE
    assert not result.ok


def test_whole_numbers_that_do_not_fit_are_refused_and_not_cut_to_their_low_bits(shop: Shop) -> None:
    result = upsert(shop.price, [(1, 2**31), (2, 2**40 + 7), (3, True)], columns=COLUMNS, using=shop.address)
    assert [error.first for error in result.errors] == [0, 1]
    assert shop.rows() == [(3, 1)]


def test_a_value_of_another_type_is_told_with_its_column(shop: Shop) -> None:
    rows = [(1, 1, "a", None), (2, 2, 7, None), (3, 3, "c", "2026-01-31")]
    result = create(shop.price, rows, columns=(*COLUMNS, "label", "at"), using=shop.address)
    causes = [str(error) for error in result.errors]
    assert causes[0].startswith("row 1: label is text and cannot hold this int: ")
    assert causes[1].startswith("row 2: at is timestamptz and cannot hold this str: ")


def test_a_deferred_constraint_names_its_row_too(shop: Shop) -> None:
    shop.run(
        "ALTER TABLE price DROP CONSTRAINT price_pkey, ADD CONSTRAINT once UNIQUE (id) DEFERRABLE INITIALLY DEFERRED"
    )
    rows = [(1, 1), (2, 2), (1, 3), (4, 4)]
    result = create(shop.price, rows, columns=COLUMNS, using=shop.address)
    assert [error.first for error in result.errors] == [2]
    assert shop.rows() == [(1, 1), (2, 2), (4, 4)]


def test_as_many_errors_are_kept_as_asked_and_all_are_counted(shop: Shop) -> None:
    result = create(
        shop.price,
        ((n, n if n % 2 else -1) for n in range(60)),
        columns=COLUMNS,
        using=shop.address,
        how=How(errors_kept=3),
    )
    assert [error.first for error in result.errors] == [0, 2, 4]
    assert (result.errors_total, result.counts.failed, result.counts.written) == (30, 30, 30)


def test_stopping_at_the_first_error_undoes_its_chunk_and_the_token_goes_on_there(shop: Shop) -> None:
    rows = [(n, -1 if n == 5 else n) for n in range(9)]
    result = create(shop.price, rows, columns=COLUMNS, using=shop.address, how=How(chunk=3, on_error=OnError.STOP))
    assert result.ended is Ended.STOPPED
    assert [error.first for error in result.errors] == [5]
    assert (shop.rows(), result.counts.undone) == ([(0, 0), (1, 1), (2, 2), *shop.rows()[3:]], 3)
    rows[5] = (5, 5)
    again = create(shop.price, rows, columns=COLUMNS, using=shop.address, how=How(chunk=3, resume=result.token))
    assert again.ok
    assert shop.rows() == [(n, n) for n in range(9)]


def test_a_token_of_something_else_is_refused(shop: Shop) -> None:
    cancel = Cancel()
    cancel.set()
    ended = create(shop.price, [(1, 1)], columns=COLUMNS, using=shop.address, how=How(cancel=cancel, chunk=10))
    assert ended.ended is Ended.CANCELLED
    for token, rows, chunk in (
        (ended.token[:-2], [(1, 1)], 10),
        ("nonsense", [(1, 1)], 10),
        (ended.token, [(2, 1)], 10),
        (ended.token, [(1, 1)], 11),
    ):
        with pytest.raises(BadToken):
            create(shop.price, rows, columns=COLUMNS, using=shop.address, how=How(resume=token, chunk=chunk))
    with pytest.raises(BadToken, match="operation create"):
        upsert(shop.price, [(1, 1)], columns=COLUMNS, using=shop.address, how=How(resume=ended.token, chunk=10))
    assert shop.rows() == []


def test_a_serialization_failure_is_tried_again(shop: Shop) -> None:
    create(shop.price, [(1, 1)], columns=COLUMNS, using=shop.address)
    with psycopg.connect(shop.address) as other:
        other.execute("UPDATE price SET amount = 2 WHERE id = 1")

        def give_way() -> None:
            _await_waiting(shop)
            other.commit()

        timer = threading.Thread(target=give_way)
        timer.start()
        how = How(isolation=Isolation.REPEATABLE_READ, retry=QUICK)
        result = upsert(shop.price, [(1, 3)], columns=COLUMNS, using=shop.address, how=how)
        timer.join()
    assert result.ok, result.errors
    assert result.counts.retried == 1
    assert shop.rows() == [(1, 3)]


def _await_waiting(shop: Shop) -> None:
    """Until somebody waits for a lock."""
    with psycopg.connect(shop.address, autocommit=True) as looking:
        while looking.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() == (0,):
            looking.execute("SELECT pg_sleep(0.01)")


def test_a_deadlock_is_tried_again(shop: Shop) -> None:
    create(shop.price, [(1, 1), (2, 2)], columns=COLUMNS, using=shop.address)
    for _ in range(5):  # on a busy machine the server may choose to end the other one
        result = _crossed(shop)
        assert result.ok, result.errors
        assert shop.rows() == [(1, 100), (2, 200)]
        if result.counts.retried:
            return
    pytest.fail("the deadlock never was the batch's")


def _crossed(shop: Shop) -> Result:
    """An upsert of two rows of which somebody else holds the second one and then wants the first."""
    with psycopg.connect(shop.address) as other:
        other.execute("UPDATE price SET amount = 20 WHERE id = 2")

        def cross() -> None:
            _await_waiting(shop)
            with suppress(psycopg.errors.DeadlockDetected):
                other.execute("UPDATE price SET amount = 10 WHERE id = 1")
            other.commit()

        crossing = threading.Thread(target=cross)
        crossing.start()
        result = upsert(shop.price, [(1, 100), (2, 200)], columns=COLUMNS, using=shop.address, how=How(retry=QUICK))
        crossing.join()
    return result


@pytest.mark.parametrize("together", [1, 3])
def test_a_lost_connection_is_made_anew_and_no_row_is_doubled(shop: Shop, together: int) -> None:
    ended: list[int] = []

    def progress(now: Progress) -> None:
        if now.counts.seen >= (200, 500, 1001)[len(ended)]:
            ended.append(_end_sessions(shop))

    how = How(chunk=100, together=together, retry=QUICK, progress=progress)
    result = create(shop.keyless, ((n, "x") for n in range(1000)), columns=("n", "note"), using=shop.address, how=how)
    assert len(ended) == 2
    assert result.ok, result.errors
    assert result.counts.retried >= 1
    assert shop.rows("SELECT n FROM keyless ORDER BY n") == [(n,) for n in range(1000)]


def _end_sessions(shop: Shop) -> int:
    """How many sessions of batches were ended, by their own login."""
    ask = b"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'opsportal-batch'"
    with psycopg.connect(shop.address) as own:
        row = own.execute(ask).fetchone()
    return int(row[0]) if row else 0


@pytest.fixture
def answers_lost(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of the first transaction, the connection breaks between COMMIT reaching the server and its answer reaching us."""
    whole, broken = Session.transaction, list[str]()

    def transaction(session: Session) -> Any:
        return _breaking(whole(session), session, broken)

    monkeypatch.setattr(Session, "transaction", transaction)
    return broken


@pytest.mark.parametrize("chunk", [1, 2])  # two chunks of one transaction, or one
def test_a_commit_whose_answer_was_lost_is_looked_up_and_not_repeated(
    shop: Shop, answers_lost: list[str], chunk: int
) -> None:
    how = How(chunk=chunk, retry=QUICK)
    result = create(shop.keyless, [(1, "a"), (2, "b")], columns=("n", "note"), using=shop.address, how=how)
    assert answers_lost == ["once"]
    assert result.ok, result.errors
    assert (result.counts.written, result.counts.retried) == (2, 1)
    assert shop.rows("SELECT n FROM keyless ORDER BY n") == [(1,), (2,)]


def test_of_a_commit_in_doubt_when_the_run_is_cancelled_the_next_one_asks(shop: Shop, answers_lost: list[str]) -> None:
    cancel = Cancel()

    def rows() -> Iterator[tuple[int, str]]:
        for n in range(6):
            if n == 4:  # what was written before is under way, or back
                cancel.set()
            yield n, "x"

    first = create(
        shop.keyless, rows(), columns=("n", "note"), using=shop.address, how=How(chunk=1, together=4, cancel=cancel)
    )
    assert (first.ended, answers_lost) == (Ended.CANCELLED, ["once"])
    assert shop.one("SELECT count(*) FROM keyless") == 4
    how = How(chunk=1, together=4, resume=first.token)
    again = create(shop.keyless, rows(), columns=("n", "note"), using=shop.address, how=how)
    assert again.ok, again.errors
    assert shop.rows("SELECT n FROM keyless ORDER BY n") == [(n,) for n in range(6)]


def test_what_a_commit_without_an_answer_skipped_is_not_told_as_written(shop: Shop, answers_lost: list[str]) -> None:
    shop.run("INSERT INTO price VALUES (1, 10), (2, 20)")
    rows, how = [(1, 1), (2, 2), (3, 3)], How(chunk=1, retry=QUICK)
    result = upsert(shop.price, rows, update=(), columns=COLUMNS, using=shop.address, how=how)
    assert answers_lost == ["once"]
    assert result.ok, result.errors
    assert shop.rows() == [(1, 10), (2, 20), (3, 3)]
    assert (result.counts.seen, result.counts.written, result.counts.skipped) == (3, 1, 2)


def test_one_guilty_row_costs_its_chunk_and_not_what_shares_its_transaction(shop: Shop) -> None:
    seen: list[tuple[int, int]] = []
    how = How(progress=lambda now: seen.append((now.counts.seen, now.counts.failed)))
    rows = [(n, -1 if n == 2_500 else 1) for n in range(60_000)]
    result = create(shop.price, rows, columns=COLUMNS, using=shop.address, how=how)
    assert [(error.first, error.last) for error in result.errors] == [(2_500, 2_500)]
    assert (result.counts.written, shop.one("SELECT count(*) FROM price")) == (59_999, 59_999)
    # forty chunks at once failed; each alone, and what follows more and more at a time
    assert seen[:4] == [(1_000, 0), (2_000, 0), (3_000, 1), (4_000, 1)]
    assert seen[39] == (40_000, 1)
    assert (len(seen), seen[-1]) == (41, (60_000, 1))


def test_what_failed_together_is_written_before_what_follows_it(shop: Shop) -> None:
    """Of rows with one key the last one counts, also where an earlier transaction had to be done anew."""
    rows = [(n % 40, -1 if n == 3 else n) for n in range(80)]
    result = upsert(shop.price, rows, columns=COLUMNS, using=shop.address, how=How(chunk=10, together=4))
    assert [error.first for error in result.errors] == [3]
    assert shop.rows() == [(n, 40 + n) for n in range(40)]


def test_what_a_slow_input_gave_is_written_before_it_gives_more(shop: Shop, until: Until) -> None:
    def rows() -> Iterator[tuple[int, str]]:
        began = time.monotonic()
        for n in range(100_000):
            if n == 100:
                until(lambda: shop.one("SELECT count(*) FROM keyless") >= 50, 20)
                return
            if n == 50:
                until(lambda: time.monotonic() - began > LONGEST_READING)
            yield n, "x"

    result = create(shop.keyless, rows(), columns=("n", "note"), using=shop.address, how=How(chunk=10))
    assert (result.ok, result.counts.written) == (True, 100)


class _breaking:  # noqa: N801  reads as a verb where it is used
    def __init__(self, inner: Any, session: Any, broken: list[str]) -> None:
        self.inner, self.session, self.broken = inner, session, broken

    def __enter__(self) -> None:
        self.inner.__enter__()

    def __exit__(self, *raised: Any) -> Any:
        said = self.inner.__exit__(*raised)
        if raised[0] is None and not self.broken:
            self.broken.append("once")
            self.session.raw.close()
            raise psycopg.OperationalError("the connection is lost")
        return said


def test_the_breaker_opens_probes_and_closes_when_the_server_is_well_again(shop: Shop) -> None:
    shop.run("ALTER TABLE price ADD CONSTRAINT shut CHECK (false) NOT VALID")
    states: list[Circuit] = []

    def progress(now: Progress) -> None:
        if (
            now.circuit is Circuit.OPEN
            and Circuit.OPEN in states
            and Circuit.CLOSED not in states[states.index(Circuit.OPEN) :]
        ):
            shop.run("ALTER TABLE price DROP CONSTRAINT IF EXISTS shut")
        states.append(now.circuit)

    how = How(chunk=1, breaking=Breaking(3, timedelta(milliseconds=10), probes=5), progress=progress)
    result = create(shop.price, ((n, n) for n in range(30)), columns=COLUMNS, using=shop.address, how=how)
    assert result.opened == 1
    assert result.ended is Ended.COMPLETE
    assert states[-1] is Circuit.CLOSED
    assert 3 <= result.counts.failed <= 10
    assert result.counts.written == 30 - result.counts.failed


def test_the_breaker_gives_up_and_says_so(shop: Shop) -> None:
    read: list[int] = []

    def rows() -> Iterator[tuple[int, int]]:
        for n in range(10_000):
            read.append(n)
            yield n, -1

    how = How(chunk=2, together=2, breaking=Breaking(3, timedelta(milliseconds=10), probes=2))
    result = create(shop.price, rows(), columns=COLUMNS, using=shop.address, how=how)
    assert result.ended is Ended.TRIPPED
    assert "Tripped: 0 written" in result.sentence()
    assert len(read) <= 20
    assert timedelta(milliseconds=20) <= result.waiting < result.duration, "it waited before each of the two"


def test_after_a_pause_one_chunk_is_tried_and_not_as_many_as_may_be_written_at_once(shop: Shop) -> None:
    how = How(chunk=1, parallel=4, breaking=Breaking(4, timedelta(milliseconds=10), probes=3))
    result = create(shop.price, ((n, -1) for n in range(10_000)), columns=COLUMNS, using=shop.address, how=how)
    assert result.ended is Ended.TRIPPED
    assert result.counts.failed <= 4 + 3 + 3, "four that open it, three that were under way, and one after each pause"


def test_what_no_retry_helped_is_told_and_done_by_the_next_run(shop: Shop) -> None:
    with psycopg.connect(shop.address) as other:
        other.execute("INSERT INTO price VALUES (3, 3)")  # not committed: who inserts 3 waits
        how = How(chunk=2, retry=Retry(3, timedelta(milliseconds=40)))
        locked = f"{shop.address}?options=-c%20lock_timeout%3D100ms"
        result = create(shop.price, ((n, n) for n in range(8)), columns=COLUMNS, using=locked, how=how)
        other.rollback()
    assert result.ended is Ended.COMPLETE
    assert [(error.first, error.last, error.kind) for error in result.errors] == [(2, 3, "55P03")]
    assert (result.counts.written, result.counts.undone) == (6, 2)
    assert result.counts.retried == 1 + 2, "of all together, and of three attempts alone"
    assert result.waiting >= timedelta(milliseconds=20 + 40), (
        "at least half of each pause, of which the second is longer"
    )
    assert result.writing >= timedelta(milliseconds=3 * 100), "each attempt waited for its lock"
    assert result.duration >= result.waiting
    again = create(
        shop.price,
        ((n, n) for n in range(8)),
        columns=COLUMNS,
        using=shop.address,
        how=How(chunk=2, resume=result.token),
    )
    assert (again.ok, again.counts.written, again.token) == (True, 2, "")
    assert shop.rows() == [(n, n) for n in range(8)]


def test_what_is_no_rows_fault_does_not_go_on_for_ever(shop: Shop) -> None:
    """A table that somebody holds, and a limit to how long a statement may last: no row is guilty of that."""
    price, impatient = shop.price, f"{shop.address}?options=-c%20statement_timeout%3D50ms"
    how = How(retry=Retry(3, timedelta(milliseconds=10)))
    with psycopg.connect(shop.address) as other:
        other.execute("LOCK TABLE price IN SHARE MODE")
        result = create(price, [(1, 1), (2, 2)], columns=COLUMNS, using=impatient, how=how)
    assert [(error.first, error.last, error.kind) for error in result.errors] == [(0, 1, "57014")]
    assert result.counts.undone == 2
    assert create(price, [(1, 1), (2, 2)], columns=COLUMNS, using=shop.address, how=How(resume=result.token)).ok


def test_cancelling_keeps_what_was_done_and_tells_it(shop: Shop) -> None:
    cancel = Cancel()
    how = How(chunk=10, together=1, cancel=cancel, progress=lambda now: cancel.set() if now.counts.seen >= 30 else None)
    result = create(shop.price, ((n, n) for n in range(10_000)), columns=COLUMNS, using=shop.address, how=how)
    assert result.ended is Ended.CANCELLED
    assert 30 <= result.counts.written <= 60
    assert f"of {result.counts.seen} rows that were read" in result.sentence()
    assert shop.one("SELECT count(*) FROM price") == result.counts.written
    rest = create(
        shop.price,
        ((n, n) for n in range(100)),
        columns=COLUMNS,
        using=shop.address,
        how=How(chunk=10, resume=result.token),
    )
    assert rest.counts.seen == 100 - result.counts.written
    assert shop.rows() == [(n, n) for n in range(100)]


@pytest.mark.parametrize(("parallel", "together"), [(1, 1), (4, 1), (1, 20), (2, 20)])
def test_the_input_is_not_read_far_ahead(shop: Shop, parallel: int, together: int) -> None:
    read, settled, ahead = 0, 0, 0

    def rows() -> Iterator[tuple[int, int]]:
        nonlocal read, ahead
        for n in range(2000):
            read += 1
            ahead = max(ahead, read - settled)
            yield n, n

    def progress(now: Progress) -> None:
        nonlocal settled
        settled = now.counts.seen

    how = How(chunk=10, together=together, parallel=parallel, progress=progress)
    create(shop.price, rows(), columns=COLUMNS, using=shop.address, how=how)
    assert ahead <= 10 * together * (parallel + 1)


def test_an_input_that_breaks_off_is_told_with_what_was_done(shop: Shop) -> None:
    def rows() -> Iterator[tuple[int, int]]:
        yield from ((n, n) for n in range(25))
        raise OSError("the file ends here")

    with pytest.raises(SourceFailed, match="the file ends here") as caught:
        create(shop.price, rows(), columns=COLUMNS, using=shop.address, how=How(chunk=10))
    assert isinstance(caught.value.__cause__, OSError)
    broken = caught.value.result
    assert (broken.ended, broken.ok, broken.counts.written) == (Ended.BROKEN, False, 20)
    assert shop.one("SELECT count(*) FROM price") == 20
    whole = [(n, n) for n in range(30)]
    again = create(shop.price, whole, columns=COLUMNS, using=shop.address, how=How(chunk=10, resume=broken.token))
    assert (again.ok, again.counts.written) == (True, 10)


def test_an_input_that_breaks_off_at_once_keeps_the_token_of_the_run_before(shop: Shop) -> None:
    def read() -> list[tuple[int, int]]:
        raise OSError("the file is gone")

    def rows() -> Iterator[tuple[int, int]]:
        yield from read()

    with pytest.raises(SourceFailed, match="before its first row: the file is gone") as caught:
        create(shop.price, rows(), columns=COLUMNS, using=shop.address, how=How(resume="as before"))
    assert (caught.value.result.ok, caught.value.result.token) == (False, "as before")


def test_a_missing_privilege_ends_the_run_and_is_raised(shop: Shop) -> None:
    shop.run("REVOKE INSERT ON price FROM opsportal_app")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        create(shop.price, [(1, 1)], columns=COLUMNS, using=shop.address)


def test_a_million_rows_take_no_more_memory_than_a_chunk(shop: Shop) -> None:
    """Peak memory of this process before and after, on an input that as a list would take some 150 MB."""
    shop.run("ALTER TABLE keyless SET (autovacuum_enabled = off)")
    create(shop.keyless, ((n, "warm") for n in range(40_000)), columns=("n", "note"), using=shop.address)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = create(
        shop.keyless, ((n, f"note {n}") for n in range(1_000_000)), columns=("n", "note"), using=shop.address
    )
    assert result.counts.written == 1_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # kB


def test_chunks_that_are_large_already_do_not_share_a_transaction(shop: Shop) -> None:
    """What is in memory is bounded whatever a chunk is: runs from before chunks were small go on with theirs."""
    settled, ahead = 0, 0

    def rows() -> Iterator[tuple[int, str]]:
        nonlocal ahead
        for n in range(200_000):
            ahead = max(ahead, n + 1 - settled)
            yield n, "x"

    def progress(now: Progress) -> None:
        nonlocal settled
        settled = now.counts.seen

    how = How(chunk=30_000, progress=progress)
    result = create(shop.keyless, rows(), columns=("n", "note"), using=shop.address, how=how)
    assert result.counts.written == 200_000
    assert ahead <= 60_001


def test_numbers_that_make_no_sense_are_refused() -> None:
    for wrong in ({"chunk": 0}, {"together": 0}, {"parallel": 0}, {"retry": Retry(attempts=0)}):
        with pytest.raises(ValueError, match="at least 1"):
            How(**wrong)
    assert issubclass(BadToken, Refused)
