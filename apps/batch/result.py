"""What a run says of itself: while it goes on, and in the end."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Ended(StrEnum):
    """Why a run ended."""

    COMPLETE = "complete"  # the input was read to its end
    CANCELLED = "cancelled"
    STOPPED = "stopped"  # at the first guilty row, as asked for
    TRIPPED = "tripped"  # the circuit breaker gave up
    BROKEN = "broken"  # the input raised an error


class State(TextChoices):
    """How a remembered run stands: under way, ended as in `Ended`, or broken off by an error."""

    RUNNING = "running", _("running")
    COMPLETE = "complete", _("complete")
    CANCELLED = "cancelled", _("cancelled")
    STOPPED = "stopped", _("stopped at an error")
    TRIPPED = "tripped", _("given up by the breaker")
    BROKEN = "broken", _("broken off")


class Circuit(StrEnum):
    """State of the circuit breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class RowError:
    """Rows of the input (counted from 0, `last` included) that were not written, and why.

    One row, or a whole chunk where the reason was not in the rows: `kind` is then the state of the connection or server.
    `kind`: the SQLSTATE, or the name of the Python error.
    """

    first: int
    last: int
    kind: str
    cause: str

    def __str__(self) -> str:
        rows = f"row {self.first}" if self.first == self.last else f"rows {self.first}–{self.last}"
        return f"{rows}: {self.cause} ({self.kind})"


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows, and attempts beyond each chunk's first.

    `seen` = `written` + `failed` + `skipped` + `undone`. `skipped` rows found nothing to do: no row with their key, or a later
    one of the same transaction that has the same key. `undone` rows are those of chunks that were rolled back for a reason that is
    not in them, or because the run was to stop there; a run with the token does them.
    """

    seen: int = 0
    written: int = 0
    failed: int = 0
    skipped: int = 0
    undone: int = 0
    retried: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.seen + other.seen,
            self.written + other.written,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.undone + other.undone,
            self.retried + other.retried,
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """A run under way, after one more transaction. `passed`: rows of the input that an earlier run had done; they are not in `counts`."""

    counts: Counts
    errors_total: int
    elapsed: timedelta
    total: int | None
    circuit: Circuit
    passed: int = 0

    @property
    def rows_per_second(self) -> float:
        """Rows seen per second since the start."""
        return self.counts.seen / max(self.elapsed.total_seconds(), 1e-9)


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended.

    Attributes:
        ended: why.
        counts: of this run; rows that an earlier run had done are not among them.
        errors: the first ones, at most `How.errors_kept`; `errors_total` counts all.
        duration: from the first row asked for to the last chunk settled; `writing` adds up over parallel chunks, `waiting`
            is what was waited before attempts and for the breaker.
        opened: how often the circuit breaker opened.
        token: where the next run goes on (`How.resume`); empty when nothing is left to do.
        job: number of the job, if it was remembered.
    """

    ended: Ended
    counts: Counts
    errors: tuple[RowError, ...]
    errors_total: int
    started_at: datetime
    duration: timedelta
    writing: timedelta
    waiting: timedelta
    opened: int
    token: str
    job: int | None

    @property
    def ok(self) -> bool:
        """Whether every row of the input was settled and none failed."""
        return self.ended is Ended.COMPLETE and not self.errors_total

    @property
    def rows_per_second(self) -> float:
        """Rows written per second."""
        return self.counts.written / max(self.duration.total_seconds(), 1e-9)

    def sentence(self) -> str:
        """The result in one line."""
        counts, seconds = self.counts, self.duration.total_seconds()
        words = [f"{counts.written:,} written"]
        words += [f"{counts.skipped:,} skipped"] if counts.skipped else []
        words += [f"{counts.failed:,} failed"] if counts.failed else []
        words += [f"{counts.undone:,} undone"] if counts.undone else []
        words += [f"{counts.retried:,} retries"] if counts.retried else []
        settled = self.ok or self.ended is not Ended.COMPLETE
        how = self.ended.value.capitalize() if settled else "Read to its end, but not every row was written"
        read = "" if self.ended is Ended.COMPLETE else " that were read"
        return f"{how}: {', '.join(words)} of {counts.seen:,} rows{read} in {seconds:.1f} s."
