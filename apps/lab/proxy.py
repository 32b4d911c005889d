"""A small TCP proxy whose links misbehave on request: `python -m apps.lab.proxy links.json`. Standard library only.

One process carries all links; each listens on a loopback port of its own and forwards to one server. It takes orders on a Unix socket,
a line each: `<link> <mode> [number]` or `status`; it answers `ok`, `error …` or one line of JSON.
"""

import asyncio
import json
import struct
import sys
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

from apps.lab.processes import drop_to

MOST_WAITING = 1 << 20  # bytes held back on one connection before its source is not read any more
PIECES_PER_SECOND = 20
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Mode(StrEnum):
    """How a link treats its connections, those it has and new ones."""

    PASS = "pass"  # noqa: S105  no password
    DELAY = "delay"  # each answer is `number` milliseconds late
    TRICKLE = "trickle"  # answers arrive at `number` bytes per second
    DROP = "drop"  # nothing arrives, nothing is closed: a partitioned network
    REFUSE = "refuse"  # connections are reset, new ones refused: a stopped server
    HALF_CLOSE = "half-close"  # the server's direction ends, the client's stays open


@dataclass(slots=True)
class Manner:
    """The present mode of a link with its number."""

    mode: Mode = Mode.PASS
    number: float = 0


class Side(asyncio.Protocol):
    """One end of a forwarded connection; what it receives goes to `peer`, late if the link says so."""

    def __init__(self, pair: "Pair", *, answers: bool) -> None:
        self.pair, self.answers = pair, answers
        self.transport: asyncio.Transport | None = None
        self.peer: Side | None = None
        self.waiting: deque[tuple[float, bytes]] = deque()
        self.held = 0
        self.free_at = 0.0
        self.ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The system connected this end."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.pair.joined(self)

    def data_received(self, data: bytes) -> None:
        """Forward at once, or queue for later when the link is slow."""
        manner = self.pair.link.manner
        slow = self.answers and manner.mode in {Mode.DELAY, Mode.TRICKLE}
        if not slow and not self.waiting:
            self._forward(data)
            return
        now = asyncio.get_running_loop().time()
        trickles = slow and manner.mode is Mode.TRICKLE
        size = max(1, int(manner.number / PIECES_PER_SECOND)) if trickles else len(data)
        for start in range(0, len(data), size):
            wait = size / max(1.0, manner.number) if trickles else 0.0
            due = now + manner.number / 1000 if slow and not trickles else now
            self.free_at = max(due, self.free_at + wait, now + wait)
            self._queue(self.free_at, data[start : start + size])
        if self.held > MOST_WAITING and self.transport:
            self.transport.pause_reading()

    def _queue(self, due: float, piece: bytes) -> None:
        self.waiting.append((due, piece))
        self.held += len(piece)
        if len(self.waiting) == 1:
            asyncio.get_running_loop().call_at(due, self._release)

    def _release(self) -> None:
        loop = asyncio.get_running_loop()
        while self.waiting and self.waiting[0][0] <= loop.time() + 0.0005:
            _, piece = self.waiting.popleft()
            self.held -= len(piece)
            self._forward(piece)
        if self.waiting:
            loop.call_at(self.waiting[0][0], self._release)
            return
        if self.ended:
            self._end_peer()
        elif self.transport and self.pair.link.manner.mode is not Mode.DROP:
            self.transport.resume_reading()

    def _forward(self, data: bytes) -> None:
        if self.peer and self.peer.transport and not self.peer.transport.is_closing():
            self.peer.transport.write(data)

    def pause_writing(self) -> None:
        """Our end takes no more: stop reading the other."""
        if self.peer and self.peer.transport:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        """Our end takes more again."""
        if self.peer and self.peer.transport and self.pair.link.manner.mode is not Mode.DROP:
            self.peer.transport.resume_reading()

    def eof_received(self) -> bool:
        """The other program closed its direction: pass that on after what is still waiting; the rest stays open."""
        self.ended = True
        if not self.waiting:
            self._end_peer()
        return True

    def _end_peer(self) -> None:
        transport = self.peer.transport if self.peer else None
        if transport and not transport.is_closing() and transport.can_write_eof():
            transport.write_eof()
        if self.peer and self.peer.ended:
            self.pair.close()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone: the other end goes too."""
        self.pair.close(abort=error is not None)


class Pair:
    """A client's connection and ours to the server."""

    def __init__(self, link: "Link") -> None:
        self.link = link
        self.client, self.server = Side(self, answers=False), Side(self, answers=True)

    def joined(self, side: Side) -> None:
        """An end is connected: the client's first, then the server's; only then anything is read."""
        assert side.transport is not None
        # Python before 3.11.4 forgets a pause asked for in connection_made, and what is read then is lost: ask just after it.
        soon = asyncio.get_running_loop().call_soon
        if side is self.client:
            self.link.pairs.add(self)
            soon(side.transport.pause_reading)
            self.link.dial(self)
            return
        self.client.peer, self.server.peer = self.server, self.client
        soon(self.apply)

    def apply(self) -> None:
        """Follow the link's present mode."""
        manner = self.link.manner
        for side in (self.client, self.server):
            if side.transport and side.peer and not side.transport.is_closing():
                side.transport.pause_reading() if manner.mode is Mode.DROP else side.transport.resume_reading()
        if manner.mode is Mode.HALF_CLOSE and self.client.transport:
            self.client.transport.write_eof()

    def close(self, *, abort: bool = False) -> None:
        """End both connections."""
        self.link.pairs.discard(self)
        for side in (self.client, self.server):
            if side.transport and not side.transport.is_closing():
                if abort:
                    side.transport.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, RESET_ON_CLOSE)
                    side.transport.abort()
                else:
                    side.transport.close()


class Link:
    """One listening port and the server behind it."""

    def __init__(self, host: str, port: int, target: int) -> None:
        self.host, self.port, self.target = host, port, target
        self.manner = Manner()
        self.pairs: set[Pair] = set()
        self.listener: asyncio.Server | None = None
        self.dialling: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Accept connections."""
        if self.listener is None:
            loop = asyncio.get_running_loop()
            self.listener = await loop.create_server(lambda: Pair(self).client, self.host, self.port)

    def dial(self, pair: Pair) -> None:
        """Connect a new client's pair to the server; a server that is not there resets the client."""
        task = asyncio.create_task(self._dial(pair))
        self.dialling.add(task)
        task.add_done_callback(self.dialling.discard)

    async def _dial(self, pair: Pair) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: pair.server, self.host, self.target)
        except OSError:
            pair.close(abort=True)

    async def set(self, manner: Manner) -> None:
        """Change the mode for every connection, the present ones included."""
        before, self.manner = self.manner.mode, manner
        if manner.mode is Mode.REFUSE:
            if self.listener:
                self.listener.close()
                self.listener = None
        else:
            await self.listen()
        for pair in list(self.pairs):
            if manner.mode is Mode.REFUSE or (before is Mode.HALF_CLOSE and manner.mode is not before):
                pair.close(abort=True)
            else:
                pair.apply()


async def obey(links: dict[str, Link], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the orders of one caller until it hangs up."""
    while line := (await reader.readline()).decode():
        writer.write(f"{await order(links, line.split())}\n".encode())
        await writer.drain()
    writer.close()


async def order(links: dict[str, Link], words: list[str]) -> str:
    """Carry out one order; returns the answer's line."""
    if words == ["status"]:
        state = {
            n: {"mode": k.manner.mode, "number": k.manner.number, "connections": len(k.pairs)} for n, k in links.items()
        }
        return json.dumps(state)
    try:
        name, mode, number = [*words, "0"][:3]
        await links[name].set(Manner(Mode(mode), float(number)))
    except (KeyError, ValueError, OSError) as error:
        return f"error {type(error).__name__}: {error}"
    return "ok"


async def serve(told: dict[str, Any]) -> None:
    """Listen on every link, then give up root and take orders."""
    links = {name: Link(told["host"], listen, target) for name, (listen, target) in told["links"].items()}
    for link in links.values():
        await link.listen()
    drop_to(told["user"])
    server = await asyncio.start_unix_server(partial(obey, links), told["control"])
    await server.serve_forever()


def main(plan: Path) -> None:
    """Run the proxy of a plan: `host`, `links` (name: listening port, target port), `control` (socket path), `user`."""
    told = json.loads(plan.read_text(encoding="utf-8"))
    Path(told["control"]).unlink(missing_ok=True)
    asyncio.run(serve(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
