"""Progress as a bar in the terminal."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tqdm import tqdm

from apps.batch.result import Circuit, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def bar(title: str, total: int | None = None) -> Iterator[Callable[[Progress], None]]:
    """A bar for `How.progress`, of which rows that an earlier run had done are part; where standard error is no terminal nothing is drawn.

    with bar("prices") as progress:
        upsert(prices, rows, how=How(progress=progress))
    """
    with tqdm(desc=title, total=total, unit=" rows", unit_scale=True, disable=None) as drawn:

        def show(progress: Progress) -> None:
            if drawn.disable:
                return
            if (
                before := progress.passed - drawn.initial
            ):  # an earlier run did them: they are done, and say nothing of the pace
                drawn.initial += before
                drawn.n += before
                drawn.last_print_n += before
            drawn.update(progress.passed + progress.counts.seen - drawn.n)
            notes = {"failed": progress.counts.failed} if progress.counts.failed else {}
            if progress.circuit is not Circuit.CLOSED:
                drawn.set_postfix(notes | {"breaker": progress.circuit.value})
            elif notes:
                drawn.set_postfix(notes)

        yield show
