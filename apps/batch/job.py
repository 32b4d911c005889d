"""A run's row in the portal's store, kept up to date over a connection of its own, and the lock that says who runs it."""

import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
import psycopg
from django.db import DEFAULT_DB_ALIAS

from apps.batch.how import How, Remember
from apps.batch.result import Circuit, Counts, RowError
from apps.batch.resume import Identity, Settled, refuse_other
from apps.batch.session import connect
from apps.batch.tables import Refused, script

LOCK_CLASS = 0x0B47C4  # of advisory locks: the second number is the job's
NOTE_SECONDS = 1.0
LAST_TRIES = 5
LONGEST_CAUSE = 500


@dataclass(frozen=True, slots=True)
class Standing:
    """What a job's row says: settled chunks, counts, the errors kept and how many there were, how the breaker stands."""

    settled: Settled
    counts: Counts
    errors: tuple[RowError, ...]
    errors_total: int
    circuit: Circuit


@dataclass(slots=True)
class JobRecord:
    """A job that this process runs; `close` lets another take it up."""

    connection: psycopg.Connection[Any]
    id: int
    exact: bool
    before: Standing
    seconds_before: float
    told: list[int] = field(default_factory=list)
    errors_written: int = -1
    noted: float = field(default_factory=time.monotonic)
    began: float = field(default_factory=time.monotonic)

    @property
    def due(self) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() - self.noted >= NOTE_SECONDS

    def note(self, now: Standing, state: str) -> bool:
        """Write how the run stands, in one statement; whether somebody asked to cancel it."""
        return bool(self._write(now, state))

    def end(self, now: Standing, state: str) -> None:
        """Write how the run ended, and let another process take the job up; if the store stays away it is seen as broken off."""
        for _ in range(LAST_TRIES):
            if self._write(now, state) is not None:
                break
            time.sleep(NOTE_SECONDS)
        self.connection.close()

    def _write(self, now: Standing, state: str) -> bool | None:
        """As `note`; None when the store did not answer."""
        counts, self.noted = self.before.counts + now.counts, time.monotonic()
        errors = [asdict(error) for error in (*self.before.errors, *now.errors)]
        row = {
            **asdict(counts),
            "id": self.id,
            "state": state,
            "through": now.settled.through,
            "beyond": _json(sorted(now.settled.beyond)),
            "missing": _json({str(number): xid for number, xid in now.settled.missing.items()}),
            "told": self.told,
            "errors": None if len(errors) == self.errors_written else _json(errors),
            "errors_total": self.before.errors_total + now.errors_total,
            "last_error": str(now.errors[-1])[:LONGEST_CAUSE] if now.errors else "",
            "circuit": now.circuit.value,
            "seconds": self.seconds_before + time.monotonic() - self.began,
        }
        try:
            found = self.connection.execute(script("job_note"), row).fetchone()
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self._reconnect()
            return None
        self.told.clear()
        self.errors_written = len(errors)
        return bool(found and found[0])

    def _reconnect(self) -> None:
        self.connection.close()
        with suppress(psycopg.Error):
            self.connection = connect(DEFAULT_DB_ALIAS)
            _lock(self.connection, self.id)


def begin(remember: Remember, identity: Identity, how: How, exact: bool) -> JobRecord:
    """Make a job's row and take its lock. Raises psycopg.Error."""
    connection = connect(DEFAULT_DB_ALIAS)
    row = {
        "name": remember.name,
        "actor": remember.actor,
        "exact": exact,
        "total": how.total,
        "operation": identity.operation,
        "target": identity.target,
        "chunk": identity.chunk,
        "head": identity.head,
    }
    made = connection.execute(script("job_open"), row).fetchone()
    assert made is not None
    _lock(connection, made[0])
    nothing = Standing(Settled(), Counts(), (), 0, Circuit.CLOSED)
    return JobRecord(connection, made[0], exact, nothing, 0.0)


def take(job: int, identity: Identity) -> JobRecord:
    """
    Take up a job that ended early or whose process is gone.

    Raises:
        Refused: somebody runs it now, it is not there, or it was another run.
        psycopg.Error: the store did not answer.
    """
    connection = connect(DEFAULT_DB_ALIAS)
    try:
        _lock(connection, job)
        with connection.transaction():
            row = connection.execute(script("job_take"), {"id": job}).fetchone()
            if row is None:
                raise Refused(f"There is no batch {job} any more. Begin the run again.")
            refuse_other(identity, Identity(*row[:4]))
    except (Refused, psycopg.Error):
        connection.close()
        raise
    return _taken(connection, job, row)


def _taken(connection: psycopg.Connection[Any], job: int, row: tuple[Any, ...]) -> JobRecord:
    exact, counts = row[4], Counts(row[5], row[6], row[7], row[8], retried=row[9])
    missing = {int(number): xid for number, xid in orjson.loads(row[12]).items()}
    settled = Settled(row[10], set(orjson.loads(row[11])), missing)
    errors, errors_total = [RowError(**error) for error in orjson.loads(row[13])], row[14]
    told = []
    for number, seen, written, failed, skipped, found in orjson.loads(row[16]):
        settled.done(number)
        counts += Counts(seen, written, failed, skipped)
        errors += [RowError(**error) for error in found]
        errors_total += len(found)
        told.append(number)
    before = Standing(settled, counts, tuple(errors), errors_total, Circuit.CLOSED)
    return JobRecord(connection, job, exact, before, row[15], told)


def record_chunks(
    connection: psycopg.Connection[Any], job: int, numbers: list[int], counts: Counts, errors: list[RowError]
) -> None:
    """Write chunks down in the transaction that did them. Raises UniqueViolation of `batch_chunk_once` where one was done already."""
    row = {
        "job": job,
        "numbers": numbers,
        "seen": counts.seen,
        "written": counts.written,
        "failed": counts.failed,
        "skipped": counts.skipped,
        "errors": _json([asdict(error) for error in errors]),
    }
    connection.execute(script("chunk"), row)


def recorded(connection: psycopg.Connection[Any], job: int, number: int) -> tuple[Counts, list[RowError]]:
    """What was counted of a chunk that is written down; nothing where the first one of its transaction has that."""
    row = connection.execute(script("chunk_done"), {"job": job, "number": number}).fetchone()
    assert row is not None
    return Counts(*row[:4]), [RowError(**error) for error in orjson.loads(row[4])]


def _lock(connection: psycopg.Connection[Any], job: int) -> None:
    row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_CLASS, job % 2**31]).fetchone()
    if row is None or not row[0]:
        connection.close()
        raise Refused(f"Batch {job} runs in another process. Cancel it there, or wait until it ends.")


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
