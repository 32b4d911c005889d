"""Whoever wants to see chunks being settled: nobody, until a room above sets `around`. Telemetry opens a span for each."""

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.batch.attempt import Settling
    from apps.batch.chunks import Chunk
    from apps.batch.work import Work

Settle: TypeAlias = "Callable[[], Settling]"
Around: TypeAlias = "Callable[[Work, Chunk[Any], Settle], Settling]"


def unseen(_work: "Work", _chunk: "Chunk[Any]", settle: Settle) -> "Settling":
    """Settle the chunk, and nothing else."""
    return settle()


around: Around = unseen
