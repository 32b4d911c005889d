"""Whoever wants to see chunks being settled: nobody, until a room above sets `around`. Telemetry opens a span for each transaction."""

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.batch.attempt import Settling
    from apps.batch.bundles import Bundle
    from apps.batch.work import Work

Settle: TypeAlias = "Callable[[], Settling]"
Around: TypeAlias = "Callable[[Work, Bundle, Settle], Settling]"


def unseen(_work: "Work", _bundle: "Bundle", settle: Settle) -> "Settling":
    """Settle the chunks, and nothing else."""
    return settle()


around: Around = unseen
