"""A whole run: chunks are read, handed out and settled; counts, breaker, cancelling, progress, the job's row and the token."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from psycopg import Connection

from apps.batch import job as jobs
from apps.batch.attempt import Outcome, Settling, Worker
from apps.batch.breaker import Breaker
from apps.batch.bundles import Supply
from apps.batch.chunks import chunks
from apps.batch.crew import Crew
from apps.batch.how import AT_ONCE, How, OnError
from apps.batch.job import JobRecord, Standing
from apps.batch.result import Circuit, Counts, Ended, Progress, Result, RowError, State
from apps.batch.resume import Identity, Settled, head_of, job_of, settled_of, token, token_of_job
from apps.batch.work import Work

NOTHING = object()


class SourceFailed(Exception):
    """The input raised an error while it was read; `result` tells what was done before, `__cause__` is the error."""

    def __init__(self, message: str, result: Result) -> None:
        super().__init__(message)
        self.result = result


@dataclass(slots=True)
class Run:
    """One run; `go` does it."""

    work: Work
    how: How
    using: str
    identity: Identity
    most: int  # chunks of one transaction
    settled: Settled = field(default_factory=Settled)
    record: JobRecord | None = None
    opened: Connection[Any] | None = None  # for the first worker
    ended: Ended | None = None
    counts: Counts = field(default_factory=Counts)
    errors: list[RowError] = field(default_factory=list)
    errors_total: int = 0
    supply: Supply = field(init=False)
    together: int = field(init=False)  # chunks of the next transaction
    writing: float = 0.0
    waiting: float = 0.0
    began: float = field(default_factory=time.monotonic)
    breaker: Breaker = field(init=False)

    def __post_init__(self) -> None:
        self.breaker = Breaker(self.how.breaking)
        self.together = self.most

    def go(self, rows: Iterable[Any]) -> Result:
        """Settle the whole input. Raises SourceFailed, or what makes every chunk fail."""
        started_at, state = datetime.now(UTC), State.BROKEN
        self.supply = Supply(chunks(rows, self.how.chunk), self.settled, self.most)
        failure: Exception | None = None
        try:
            with Crew(self.how.parallel, self._worker) as crew:
                try:
                    failure = self._feed(crew)
                finally:
                    try:
                        self._drain(crew)
                    finally:
                        self._keep_doubts()
            self.ended = Ended.BROKEN if failure else self.ended or Ended.COMPLETE
            state = State(self.ended.value)
        finally:
            if self.record is not None:
                self.record.end(self._standing(), state.value)
        result = self._result(started_at)
        if failure is not None:
            raise SourceFailed(f"The input broke off after {result.counts.seen:,} rows: {failure}", result) from failure
        return result

    def _worker(self) -> Worker:
        job = self.record.id if self.record is not None and self.record.exact else None
        opened, self.opened = self.opened, None
        return Worker(self.work, self.how, self.using, job, opened)

    def _feed(self, crew: Crew) -> Exception | None:
        """Read and hand out until the input or the run ends; returns what the input raised."""
        supply = self.supply
        while True:
            if not supply.waiting and not supply.over:
                supply.read()  # while the others are written
            while crew.full:
                self._settle(crew.take())
            self._pause(crew)
            if self._over():
                return None
            if supply.waiting:
                crew.give(supply.take(self.together if self.breaker.state is Circuit.CLOSED else 1))
                if self.breaker.state is Circuit.HALF_OPEN:
                    self._settle(crew.take())
            elif supply.over:
                if not crew.busy:
                    return supply.failure
                self._settle(crew.take())  # which may come back

    def _pause(self, crew: Crew) -> None:
        """While the breaker is open: let what is under way end, wait, then let one chunk through."""
        if self.breaker.waits:
            self._drain(crew)  # which may close it
        if self.breaker.waits and self.ended is None:
            self._tell()
            began = time.monotonic()
            self.how.cancel.wait(self.how.breaking.cooldown.total_seconds())
            self.waiting += time.monotonic() - began
            self.breaker.probe()

    def _over(self) -> bool:
        if self.ended is None and self.how.cancel.asked:
            self.ended = Ended.CANCELLED
        if self.ended is None and self.breaker.tripped:
            self.ended = Ended.TRIPPED
        return self.ended is not None

    def _drain(self, crew: Crew) -> None:
        """Settle all that is under way, also what comes after one that ends the run: it is committed, and must be known."""
        try:
            while crew.busy:
                self._settle(crew.take())
        finally:
            if crew.busy:
                self._drain(crew)

    def _keep_doubts(self) -> None:
        """Of chunks that were not begun again nobody knows whether they are committed; the next run asks."""
        for number, xid in self.supply.doubtful().items():
            self.settled.given_up(number, xid)

    def _settle(self, one: Settling) -> None:
        self.counts += one.counts
        self.writing += one.writing
        self.waiting += one.waiting
        self.errors += one.errors[: max(self.how.errors_kept - len(self.errors), 0)]
        self.errors_total += len(one.errors)
        match one.outcome:
            case Outcome.DONE:
                self._done([chunk.number for chunk in one.bundle.chunks])
            case Outcome.APART:
                self.supply.put_back(one.bundle, one.xid)
            case Outcome.GIVEN_UP:
                self.settled.given_up(one.bundle.chunks[0].number, one.xid)
                self.ended = Ended.STOPPED if self.how.on_error is OnError.STOP else self.ended
            case Outcome.STOPPED:
                self.ended = Ended.STOPPED
            case Outcome.HOPELESS:
                assert one.error is not None
                raise one.error
        well = one.outcome is Outcome.DONE and not one.errors
        self.together = min(self.together * 2, self.most) if well else 1
        if one.outcome is not Outcome.APART:
            failed = one.outcome is Outcome.GIVEN_UP or 0 < one.counts.seen == one.counts.failed
            self.breaker.tell(succeeded=not failed)
            self._tell()

    def _done(self, numbers: list[int]) -> None:
        for number in numbers:
            self.settled.done(number)
        if self.record is not None:
            self.record.told += numbers

    def _tell(self) -> None:
        if self.record is not None and self.record.due and self.record.note(self._standing(), State.RUNNING.value):
            self.how.cancel.set()
        if self.how.progress is not None:
            elapsed = timedelta(seconds=time.monotonic() - self.began)
            now = Progress(
                self.counts, self.errors_total, elapsed, self.how.total, self.breaker.state, self.supply.passed
            )
            self.how.progress(now)

    def _standing(self) -> Standing:
        return Standing(self.settled, self.counts, tuple(self.errors), self.errors_total, self.breaker.state)

    def _result(self, started_at: datetime) -> Result:
        assert self.ended is not None
        left = not self.how.dry_run and (self.ended is not Ended.COMPLETE or bool(self.settled.missing))
        job = self.record.id if self.record is not None else None
        return Result(
            ended=self.ended,
            counts=self.counts,
            errors=tuple(self.errors),
            errors_total=self.errors_total,
            started_at=started_at,
            duration=timedelta(seconds=time.monotonic() - self.began),
            writing=timedelta(seconds=self.writing),
            waiting=timedelta(seconds=self.waiting),
            opened=self.breaker.opened,
            token="" if not left else token_of_job(job) if job else token(self.identity, self.settled),
            job=job,
        )


def begun(rows: Iterable[Any], how: How) -> tuple[Any, Iterable[Any]]:
    """An input's first row, NOTHING where it has none, and the whole input. Raises SourceFailed where it breaks off there."""
    source, at = iter(rows), datetime.now(UTC)
    try:
        first = next(source, NOTHING)
    except Exception as error:
        none = timedelta()
        nothing = Result(Ended.BROKEN, Counts(), (), 0, at, datetime.now(UTC) - at, none, none, 0, how.resume, None)
        raise SourceFailed(f"The input broke off before its first row: {error}", nothing) from error
    return first, () if first is NOTHING else chain([first], source)


def run(
    work: Work, rows: Iterable[Any], how: How, using: str, together: int, opened: Connection[Any] | None = None
) -> Result:
    """
    Do a run from the beginning, or, where `how.resume` says so, from where an earlier one ended.

    Args:
        together: chunks of one transaction, unless `how` says so or chunks are so large that fewer will do.
        opened: a connection in autocommit to the address `using`, which the first worker takes and closes.
    """
    first, whole = begun(rows, how)
    identity = Identity(work.operation.value, work.target, how.chunk, "" if first is NOTHING else head_of(first))
    most = how.together or max(min(together, AT_ONCE // how.chunk), 1)
    made = Run(work, how, using, identity, most, opened=opened)
    earlier = job_of(how.resume) if how.resume else None
    if earlier is not None:
        made.record = jobs.take(earlier, identity)
        made.settled = made.record.before.settled
    else:
        if how.resume:
            made.settled = settled_of(how.resume, identity)
        if how.remember is not None:
            made.record = jobs.begin(how.remember, identity, how, exact=using == DEFAULT_DB_ALIAS)
    return made.go(whole)
