"""Ranges of the ledger examined by several processes at once: this one, and others that need no Django."""

import atexit
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from apps.ledger.examine import Checkpoint, Examined, Range, examine

PORTION = 8  # ranges that a process takes at a time


@dataclass(frozen=True, slots=True)
class Way:
    """How every range is examined: against what, and whether the tree is grown."""

    known: Checkpoint | None
    grow: bool

    def over(self, connection: psycopg.Connection[Any], wanted: Sequence[Range]) -> list[Examined]:
        """What is found of some ranges."""
        return [examine(connection, one, self.known, grow=self.grow) for one in wanted]


class _Own:
    """The one connection of another process."""

    connection: psycopg.Connection[Any]


def abreast(
    way: Way, connection: psycopg.Connection[Any], wanted: Sequence[Range], processes: int
) -> Iterator[Examined]:
    """
    Examine ranges by so many processes, this one among them; what was found comes in the order of the ranges.

    The others begin at the first range. This one works from the last range on towards them while they are starting, then waits.

    Raises:
        psycopg.Error: the store refused or is gone.
        concurrent.futures.process.BrokenProcessPool: a process was ended.
    """
    portions = [wanted[at : at + PORTION] for at in range(0, len(wanted), PORTION)]
    address = make_conninfo(**connection.info.get_parameters(), password=connection.info.password)
    # Spawned, because a fork would share this process's connections and threads.
    pool = ProcessPoolExecutor(processes - 1, multiprocessing.get_context("spawn"), _begin, (address,))
    try:
        theirs: list[Future[list[Examined]]] = [pool.submit(_examined, way, portion) for portion in portions]
        mine: dict[int, list[Examined]] = {}
        for number in reversed(range(len(portions))):
            if not theirs[number].cancel():
                break
            mine[number] = way.over(connection, portions[number])
        for number, future in enumerate(theirs):
            yield from mine.pop(number) if number in mine else future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(address: str) -> None:
    _Own.connection = psycopg.connect(address, autocommit=True, prepare_threshold=None)
    atexit.register(_Own.connection.close)


def _examined(way: Way, wanted: Sequence[Range]) -> list[Examined]:
    return way.over(_Own.connection, wanted)
