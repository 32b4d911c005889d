"""Ask all nodes of a tier at once, each with its own deadline, over connections kept between polls.

A node that does not answer in time is abandoned with its socket; it never delays another's samples.
"""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future  # noqa: TC003  annotates a local; importing it costs nothing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any

import structlog

from apps.metrics.kernel import Answer, Failure, FailureKind, NodeKind, NodeView, Rows
from apps.metrics.probe import MISREAD, Probe, misread
from apps.metrics.readers import KINDS, Identity, Reader, Target, Unreadable
from apps.metrics.readers.base import CONNECT_SECONDS, Said
from apps.telemetry.tracing import annotate, span

log = structlog.get_logger()

CONNECTING = 0.5  # of the deadline, at most: what is left must do for the questions
HANGING_UP_SECONDS = 2  # for all together, when the process ends; a frozen server would take longer
FORGOTTEN_SECONDS = 300  # a node that nobody asked for so long was removed; its server gets the connection back


@dataclass(frozen=True, slots=True)
class Before:
    """What a probe answered last: rows and when; counters are derived from it."""

    rows: Rows
    at: datetime


@dataclass(frozen=True, slots=True)
class NodePoll:
    """One node's part of a poll. `clock_offset` is the node's clock minus ours, less half the round trip.

    `sparing`, `received_bytes` and `busy`: see NodeView.
    """

    target: Target
    identity: Identity | None
    failure: Failure | None
    duration: timedelta
    clock_offset: timedelta | None
    at: datetime
    answers: Mapping[str, Answer] = field(default_factory=dict)
    sparing: bool = False
    received_bytes: int | None = None
    busy: timedelta = timedelta(0)

    @property
    def resting(self) -> bool:
        """Whether it was left alone, because watching it costs too much."""
        return self.failure is not None and self.failure.kind is FailureKind.BACKED_OFF

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
            None if self.resting else self.failure,
            self.answers,
            identity.id if identity else "",
            self.clock_offset.total_seconds() if self.clock_offset is not None else None,
            self.duration.total_seconds(),
            self.sparing,
            self.resting,
            self.received_bytes,
            self.busy.total_seconds(),
        )


class Collector:
    """Reads the nodes of any number of tiers from an event loop of its own; callable from any thread.

    One poll per node at a time: a node still busy with an abandoned one is reported as timed out. Connecting may take longer than one
    poll: it goes on behind it, and a later poll finds the connection; unless not `kept`, which is for asking once.
    """

    def __init__(self, deadline: timedelta, *, kept: bool = True) -> None:
        self.deadline, self.kept = deadline, kept
        self._readers: dict[int, Reader] = {}
        self._opening: dict[int, asyncio.Task[None]] = {}
        self._busy: set[int] = set()
        self._left: set[asyncio.Task[Any]] = set()  # abandoned, or hanging up
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
        for node in list(self._readers):
            self._hang_up(node)
        for node in list(self._opening):  # of readers that were given up while they connected
            self._stop_opening(node)
        before = monotonic() + HANGING_UP_SECONDS
        while self._left and monotonic() < before:  # one that ends may leave another: hanging up on the server it asked
            await asyncio.wait(self._left, timeout=before - monotonic())

    async def _all(
        self,
        targets: Sequence[Target],
        probes: Mapping[int, Sequence[Probe]],
        before: Mapping[tuple[int, str], Before],
    ) -> list[NodePoll]:
        at, asked = datetime.now(UTC), {}
        self._forget()
        for target in targets:
            if target.id not in self._busy:
                self._busy.add(target.id)
                asked[target.id] = self._loop.create_task(self._one(target, probes.get(target.id, ()), before))
        if asked:
            await asyncio.wait(asked.values(), timeout=self.deadline.total_seconds())
        return [self._outcome(target, asked.get(target.id), at) for target in targets]

    def _outcome(self, target: Target, task: asyncio.Task[NodePoll] | None, at: datetime) -> NodePoll:
        """What a node said, or that it did not in time. Its task is not waited for: cancelling a query on a frozen server takes longer
        than the deadline itself.
        """
        if task is not None and task.done():
            return task.result() if task.exception() is None else self._misread(target, task, at)
        if task is None:
            message = "The poll before is still waiting for it."
        elif self.kept and target.id in self._opening:
            task.cancel()  # of the waiting, not of the connecting
            message = f"Still connecting after {self.deadline.total_seconds():g} s; the next poll goes on with it."
        else:
            reader = self._readers.pop(target.id)
            task.cancel()
            self._leave(task, then=reader)
            message = f"It did not answer within {self.deadline.total_seconds():g} s."
        return NodePoll(target, None, Failure(FailureKind.TIMEOUT, message), datetime.now(UTC) - at, None, at)

    def _misread(self, target: Target, task: asyncio.Task[NodePoll], at: datetime) -> NodePoll:
        """An answer that no reader foresaw is that node's failure: the others' samples are kept."""
        wrong = task.exception()
        log.error("node.misread", node=target.name, exc_info=wrong)
        if (reader := self._readers.pop(target.id, None)) is not None:
            self._leave(self._loop.create_task(reader.close()))
        failure = Failure(
            FailureKind.ERROR, f"Its answer could not be read ({type(wrong).__name__}); see the worker's log."
        )
        return NodePoll(target, None, failure, datetime.now(UTC) - at, None, at)

    async def _one(self, target: Target, probes: Sequence[Probe], before: Mapping[tuple[int, str], Before]) -> NodePoll:
        """What a node said, within a span: what it is asked past Django's cursors is in no other."""
        with span("ask node", node=target.name, kind=target.kind.value, questions=len(probes)):
            said = await self._said(target, probes, before)
            if said.failure:
                annotate(failure=said.failure.kind.value)
            return said

    async def _said(
        self, target: Target, probes: Sequence[Probe], before: Mapping[tuple[int, str], Before]
    ) -> NodePoll:
        started, at = monotonic(), datetime.now(UTC)
        try:
            reader = self._reader(target)
            reader.until = started + self.deadline.total_seconds()
            if not reader.is_open:
                reader.received_before = 0
                await self._connected(reader)
                started, at = monotonic(), datetime.now(UTC)
            reply = await reader.ask(probes)
        except Unreadable as error:
            return NodePoll(target, None, error.failure, timedelta(seconds=monotonic() - started), None, at)
        finally:
            self._busy.discard(target.id)
        duration = timedelta(seconds=monotonic() - started)
        clock = reply.identity.now
        offset = clock - at - duration / 2 if clock else None
        answers = {
            probe.id: _answer(probe, reply.said[probe.id], before.get((target.id, probe.id)), at)
            for probe in probes
            if probe.id in reply.said
        }
        told = reader.traffic()
        return NodePoll(
            target, reply.identity, None, duration, offset, at, answers,
            received_bytes=reader.received_since(told),
            busy=max(timedelta(0), duration - reader.turns * timedelta(seconds=told.round_trip_seconds if told else 0)),
        )  # fmt: skip

    def _forget(self) -> None:
        oldest = monotonic() - FORGOTTEN_SECONDS
        for node in [
            node for node, reader in self._readers.items() if reader.until < oldest and node not in self._busy
        ]:
            self._hang_up(node)

    def _hang_up(self, node: int) -> None:
        self._stop_opening(node)
        self._leave(self._loop.create_task(self._readers.pop(node).close()))

    def _reader(self, target: Target) -> Reader:
        reader = self._readers.get(target.id)
        if reader is None or reader.target != target:
            if reader is not None:  # another address or password now
                self._hang_up(target.id)
            reader = self._readers[target.id] = KINDS[target.kind](target)
        return reader

    async def _connected(self, reader: Reader) -> None:
        """Wait until it is connected. Raises Unreadable."""
        node = reader.target.id
        task = self._opening.get(node)
        if task is None:
            task = self._opening[node] = self._loop.create_task(_open(reader))
            task.add_done_callback(partial(self._opened, node))
        await asyncio.shield(task)
        took = self.deadline.total_seconds() - (reader.until - monotonic())
        if (
            self.kept and took > self.deadline.total_seconds() * CONNECTING
        ):  # an answer cut short would cost the connection too
            raise Unreadable(FailureKind.TIMEOUT, f"Connecting took {took:.1f} s; it is asked at the next poll.")

    def _opened(self, node: int, task: asyncio.Task[None]) -> None:
        if self._opening.get(node) is task:
            del self._opening[node]
        if not task.cancelled():
            task.exception()  # whoever still waits for it reports it

    def _stop_opening(self, node: int) -> None:
        if task := self._opening.pop(node, None):
            task.cancel()
            self._leave(task)

    def _leave(self, task: asyncio.Task[Any], then: Reader | None = None) -> None:
        """Let a task end by itself; `then` hang up on the server it was asking."""
        self._left.add(task)

        def ended(task: asyncio.Task[Any]) -> None:
            self._left.discard(task)
            if not task.cancelled():
                task.exception()
            if then is not None:
                self._leave(self._loop.create_task(then.close()))

        task.add_done_callback(ended)


async def _open(reader: Reader) -> None:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await reader.open()
    except TimeoutError as error:
        raise Unreadable(FailureKind.TIMEOUT, f"It let nobody in within {CONNECT_SECONDS} s.") from error


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
