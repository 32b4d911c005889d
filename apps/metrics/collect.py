"""Ask all nodes of a tier at once, each with its own deadline, over connections kept between polls.

A node that does not answer in time is abandoned with its socket; it never delays another's samples.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future  # noqa: TC003  annotates a local; importing it costs nothing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from time import monotonic

import structlog

from apps.metrics.kernel import Answer, Failure, FailureKind, NodeKind, NodeView, Rows
from apps.metrics.probe import MISREAD, Probe
from apps.metrics.readers import KINDS, Identity, Reader, Reply, Target, Unreadable
from apps.metrics.readers.base import Said

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Before:
    """What a probe answered last: rows and when; counters are derived from it."""

    rows: Rows
    at: datetime


@dataclass(frozen=True, slots=True)
class NodePoll:
    """One node's part of a poll. `clock_offset` is the node's clock minus ours, less half the round trip."""

    target: Target
    identity: Identity | None
    failure: Failure | None
    duration: timedelta
    clock_offset: timedelta | None
    at: datetime
    answers: Mapping[str, Answer] = field(default_factory=dict)

    @property
    def view(self) -> NodeView:
        """The same as tier probes see it."""
        target, identity = self.target, self.identity
        role = identity.role if identity and target.kind is NodeKind.POSTGRES else target.role
        return NodeView(
            target.name,
            target.kind,
            target.role,
            role,
            self.at,
            self.failure,
            self.answers,
            identity.id if identity else "",
            self.clock_offset.total_seconds() if self.clock_offset is not None else None,
            self.duration.total_seconds(),
        )


class Collector:
    """Reads the nodes of any number of tiers from an event loop of its own; callable from any thread.

    One poll per node at a time: a node still busy with an abandoned one is reported as timed out.
    """

    def __init__(self, deadline: timedelta) -> None:
        self.deadline = deadline
        self._readers: dict[int, Reader] = {}
        self._busy: set[int] = set()
        self._left: set[asyncio.Task[Reply]] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="collector", daemon=True)
        self._thread.start()

    def poll(
        self,
        targets: Sequence[Target],
        probes: Mapping[int, Sequence[Probe]],
        before: Mapping[tuple[int, str], Before],
    ) -> list[NodePoll]:
        """Ask each target its probes (by target id). `before`: earlier answers by target id and probe id."""
        future: Future[list[NodePoll]] = asyncio.run_coroutine_threadsafe(
            self._all(targets, probes, before), self._loop
        )
        return future.result()

    def close(self) -> None:
        """Close every connection and stop the loop."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    async def _close(self) -> None:
        for task in self._left:
            task.cancel()
        await asyncio.gather(*self._left, return_exceptions=True)
        for reader in self._readers.values():
            await reader.close()
        self._readers.clear()

    async def _all(
        self,
        targets: Sequence[Target],
        probes: Mapping[int, Sequence[Probe]],
        before: Mapping[tuple[int, str], Before],
    ) -> list[NodePoll]:
        return await asyncio.gather(*(self._one(t, probes.get(t.id, ()), before) for t in targets))

    async def _one(self, target: Target, probes: Sequence[Probe], before: Mapping[tuple[int, str], Before]) -> NodePoll:
        started, at = monotonic(), datetime.now(UTC)
        try:
            reply = await self._within_deadline(self._reader(target), probes)
        except Unreadable as error:
            return NodePoll(target, None, error.failure, timedelta(seconds=monotonic() - started), None, at)
        duration = timedelta(seconds=monotonic() - started)
        clock = reply.identity.now
        offset = clock - at - duration / 2 if clock else None
        answers = {
            probe.id: _answer(probe, reply.said[probe.id], before.get((target.id, probe.id)), at)
            for probe in probes
            if probe.id in reply.said
        }
        return NodePoll(target, reply.identity, None, duration, offset, at, answers)

    def _reader(self, target: Target) -> Reader:
        reader = self._readers.get(target.id)
        if reader is None or reader.target != target:
            reader = self._readers[target.id] = KINDS[target.kind](target)
        return reader

    async def _within_deadline(self, reader: Reader, probes: Sequence[Probe]) -> Reply:
        """The reply, or Unreadable once the deadline is over. The task is not waited for: cancelling a query on a frozen
        server takes longer than the deadline itself.
        """
        node = reader.target.id
        if node in self._busy:
            raise Unreadable(FailureKind.TIMEOUT, "The poll before is still waiting for it.")
        self._busy.add(node)
        task = asyncio.create_task(reader.ask(probes))
        done, _pending = await asyncio.wait({task}, timeout=self.deadline.total_seconds())
        if done:
            self._busy.discard(node)
            return task.result()
        self._readers.pop(node, None)
        self._left.add(task)
        task.add_done_callback(self._abandoned(node, reader))
        task.cancel()
        raise Unreadable(FailureKind.TIMEOUT, f"It did not answer within {self.deadline.total_seconds():g} s.")

    def _abandoned(self, node: int, reader: Reader) -> Callable[[asyncio.Task[Reply]], None]:
        def finished(task: asyncio.Task[Reply]) -> None:
            self._busy.discard(node)
            self._left.discard(task)
            if not task.cancelled():
                task.exception()
            closing = self._loop.create_task(reader.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

        return finished


def _answer(probe: Probe, said: Said, before: Before | None, at: datetime) -> Answer:
    if said.failure:
        return Answer(probe.id, said.question, failure=said.failure)
    seconds = (at - before.at).total_seconds() if before else 0.0
    try:
        samples = probe.samples(said.rows, before.rows if before else None, seconds)
    except MISREAD as error:
        log.exception("probe.misread", probe=probe.id)
        return Answer(probe.id, said.question, failure=misread(error))
    return Answer(probe.id, said.question, probe.keep(said.rows) if probe.keep else said.rows, samples)


def misread(error: Exception) -> Failure:
    """An answer that its probe could not make sense of."""
    kind = type(error).__name__
    return Failure(FailureKind.ERROR, f"The answer has a shape that this version does not know ({kind}: {error}).")
