"""Chunks in one transaction; after a failure each alone: tried again for passing reasons, halved for guilty rows, never done twice."""

import random
import time
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any

import psycopg
from django.db import Error as DjangoError
from psycopg import errors

from apps.batch import seen
from apps.batch.bundles import Bundle
from apps.batch.chunks import Part, guilty
from apps.batch.how import How, OnError
from apps.batch.job import LONGEST_CAUSE, record_chunks, recorded
from apps.batch.result import Counts, RowError
from apps.batch.session import Session, cause_of, is_hopeless, is_passing, kind_of, open_session
from apps.batch.tables import Refused
from apps.batch.work import Work

DATABASE_ERRORS = (psycopg.Error, DjangoError, Refused)

WHOLE_ROW = {"23502", "23514"}  # a missing value, a check: their detail repeats the row, which is not for every reader


class Outcome(Enum):
    """What became of a bundle."""

    DONE = auto()  # committed, perhaps without some rows
    APART = (
        auto()
    )  # nothing of it was written, or nobody knows (`Settling.xid`): its chunks are to be tried each by itself
    GIVEN_UP = auto()  # nothing of it was written, or nobody knows (`Settling.xid`); a later run may do it
    STOPPED = auto()  # rolled back at its first guilty row
    HOPELESS = auto()  # no chunk will succeed; `Settling.error` says why


@dataclass(frozen=True, slots=True)
class Settling:
    """A bundle's outcome, with counts, errors, and seconds spent writing and waiting."""

    bundle: Bundle
    outcome: Outcome
    counts: Counts
    errors: tuple[RowError, ...] = ()
    xid: int = 0
    writing: float = 0.0
    waiting: float = 0.0
    error: Exception | None = None


class DryRun(Exception):
    """All of a chunk went well and nothing of it is kept; rolls it back."""


class Stop(Exception):
    """A guilty row was found in a run that is to stop there; rolls the chunk back."""


@dataclass(slots=True)
class Worker:
    """Settles bundles one after another over its own connection. `job`: where chunks are recorded with what they write."""

    work: Work
    how: How
    using: str
    job: int | None
    opened: psycopg.Connection[Any] | None = None  # to begin with
    session: Session | None = None
    xid: int = 0  # of the last transaction whose COMMIT was sent and not answered
    careful: bool = False  # the present bundle is one chunk, and has guilty rows
    counts: Counts = field(default_factory=Counts)
    errors: list[RowError] = field(default_factory=list)
    retried: int = 0  # attempts at the present bundle beyond its first, after passing failures
    waiting: float = 0.0
    caught: tuple[type[Exception], ...] = field(init=False)

    def __post_init__(self) -> None:
        self.caught = (*DATABASE_ERRORS, *self.work.expects)

    def settle(self, bundle: Bundle) -> Settling:
        """Do a bundle, in one transaction or not at all."""
        return seen.around(self.work, bundle, lambda: self._settle(bundle))

    def _settle(self, bundle: Bundle) -> Settling:
        began, self.careful, self.xid, self.waiting = time.monotonic(), False, bundle.doubt, 0.0
        self.counts, self.errors = Counts(seen=bundle.size, written=bundle.size), []
        self.retried, found = 0, None
        while found is None:
            found = self._try(bundle)
        writing = time.monotonic() - began - self.waiting
        counts = replace(found.counts, retried=found.counts.retried + self.retried)
        return replace(found, counts=counts, writing=writing, waiting=self.waiting)

    def close(self) -> None:
        """Hang up."""
        if self.session is not None:
            self.session.close()
            self.session = None

    def _try(self, bundle: Bundle) -> Settling | None:
        """One attempt; None when there should be another."""
        try:
            session = self._connected()
            if self.xid and self._committed(session):
                return Settling(bundle, Outcome.DONE, self.counts, tuple(self.errors))
            self._transact(session, bundle)
        except DryRun:
            return Settling(bundle, Outcome.DONE, self.counts, tuple(self.errors))
        except Stop:
            return Settling(bundle, Outcome.STOPPED, _undone(bundle), tuple(self.errors))
        except self.caught as raised:
            return self._judge(bundle, cause_of(raised))
        return Settling(bundle, Outcome.DONE, self.counts, tuple(self.errors))

    def _judge(self, bundle: Bundle, error: Exception) -> Settling | None:
        if is_hopeless(error):
            return Settling(bundle, Outcome.HOPELESS, _undone(bundle), error=error)
        if len(bundle.chunks) > 1:
            self._drop_lost()
            if self.xid and self._again():  # to ask first: only of all together is it known what was counted
                return None
            return Settling(bundle, Outcome.APART, Counts(retried=int(is_passing(error))), xid=self.xid)
        if isinstance(error, errors.UniqueViolation) and error.diag.constraint_name == "batch_chunk_once":
            return self._recorded(bundle)
        if is_passing(error) or self.careful:  # row by row, what is a row's fault does not come here
            self._drop_lost()
            if self._again():
                return None
            cause = (RowError(bundle.first, bundle.last, kind_of(error), _words(error)),)
            return Settling(bundle, Outcome.GIVEN_UP, _undone(bundle), cause, self.xid)
        self.careful = True
        return None

    def _again(self) -> bool:
        """Wait, and say whether there is to be another attempt: they are not used up, and nobody cancels meanwhile."""
        if self.retried + 1 >= self.how.retry.attempts:
            return False
        began = time.monotonic()
        cancelled = self.how.cancel.wait(self.how.retry.seconds(self.retried + 1, random.random()))  # noqa: S311  jitter, no secret
        self.waiting += time.monotonic() - began
        self.retried += not cancelled
        return not cancelled

    def _recorded(self, bundle: Bundle) -> Settling:
        """A chunk that the server went on committing for a process that is dead: what it did is told, not what failed now."""
        assert self.job is not None
        assert self.session is not None
        counts, errors = recorded(self.session.raw, self.job, bundle.chunks[0].number)
        return Settling(bundle, Outcome.DONE, counts, tuple(errors))

    def _transact(self, session: Session, bundle: Bundle) -> None:
        part = bundle.part()
        xid, self.xid, self.errors = 0, 0, []
        try:
            with session.transaction():
                begun = self.work.begin(session)
                counts = self._carefully(session, part) if self.careful else self.work.do(session, part)
                self.counts = replace(counts, seen=bundle.size, failed=len(self.errors))
                if self.job is not None:
                    numbers = [chunk.number for chunk in bundle.chunks]
                    record_chunks(session.raw, self.job, numbers, self.counts, self.errors)
                if self.how.dry_run:
                    raise DryRun
                xid = begun or _xid(session)
        except DATABASE_ERRORS:
            self.xid = xid if session.lost else 0  # COMMIT was sent, and nobody answered
            raise

    def _carefully(self, session: Session, part: Part) -> Counts:
        """Part by part, each within a savepoint; guilty rows are left out and told. Raises Stop at the first, if asked to."""
        done = Counts()

        def attempt(here: Part) -> Exception | None:
            nonlocal done
            try:
                with session.transaction():
                    done += self.work.do(session, here)
            except self.caught as raised:
                error = cause_of(raised)
                if is_passing(error) or is_hopeless(error):
                    raise
                return error
            return None

        session.raw.execute("SET CONSTRAINTS ALL IMMEDIATE")  # or a deferred one would fail at COMMIT and name no row
        for number, error in guilty(part, attempt):
            self.errors.append(RowError(number, number, kind_of(error), _words(error)))
            if self.how.on_error is OnError.STOP:
                raise Stop
        return done

    def _connected(self) -> Session:
        if self.session is None:
            opened, self.opened = self.opened, None
            self.session = open_session(self.using, self.how.isolation, opened)
        return self.session

    def _drop_lost(self) -> None:
        if self.session is not None and self.session.lost:
            self.close()

    def _committed(self, session: Session) -> bool:
        """Whether the transaction in doubt was committed. Raises OperationalError while the server has not made up its mind."""
        row = session.raw.execute("SELECT pg_xact_status(%s::text::xid8)", [str(self.xid)]).fetchone()
        status = row[0] if row else None
        if status == "in progress":
            raise psycopg.OperationalError(f"transaction {self.xid} is still being ended by the server")
        if status is None:
            raise Refused(
                f"Whether transaction {self.xid} was committed is no longer known to the server. Compare the table with the "
                "input before resuming."
            )
        self.xid = 0
        return bool(status == "committed")


def _undone(bundle: Bundle) -> Counts:
    return Counts(seen=bundle.size, undone=bundle.size)


def _xid(session: Session) -> int:
    row = session.raw.execute("SELECT pg_current_xact_id_if_assigned()::text").fetchone()
    return int(row[0]) if row and row[0] else 0


def _words(error: Exception) -> str:
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    detail = error.diag.message_detail if isinstance(error, psycopg.Error) and error.sqlstate not in WHOLE_ROW else None
    words = ": ".join(filter(None, [primary or str(error).strip() or type(error).__name__, detail]))
    # What no text of the store can hold would keep the whole chunk from being recorded.
    return words[:LONGEST_CAUSE].replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
