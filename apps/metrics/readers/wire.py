"""libpq's own calls over one connection: questions out, results in, rows in JSON's types.

psycopg connects and knows the types; its cursors are left out, because a cursor a question costs more CPU than asking and reading it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import count
from typing import Any, TypeAlias

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus
from psycopg.pq.abc import PGresult

from apps.metrics.kernel import Rows
from apps.metrics.readers.base import plain

CANCEL_SECONDS = 2

Heard: TypeAlias = Rows | psycopg.Error | None
"""What became of a question: its rows, the error it met, or None when one before it had failed."""


class NumberLoader(Loader):
    """`numeric` as an int where it is whole, else a float."""

    def load(self, data: Buffer) -> int | float:
        """See Loader."""
        whole, _, rest = bytes(data).partition(b".")
        try:
            return float(data) if rest.strip(b"0") else int(whole)
        except ValueError:  # NaN, Infinity
            return float(data)


class MomentLoader(Loader):
    """A `timestamptz` of a session in UTC as ISO 8601; what no calendar holds (infinity) as its text."""

    def load(self, data: Buffer) -> str:
        """See Loader."""
        text = bytes(data).decode()
        try:
            return datetime.fromisoformat(text).isoformat()
        except ValueError:
            return text


LOADERS: dict[str, type[Loader]] = {"numeric": NumberLoader, "timestamptz": MomentLoader}
PLAIN = ("bool", "int2", "int4", "int8", "oid", "float4", "float8", "text", "varchar", "name", "bpchar", *LOADERS)
"""Types whose values are loaded in one of JSON's types; rows with another pass through `plain`."""


class Wire:
    """An open connection that is asked in pipelines of prepared questions (`together`) or one by one (`simple`), while `listening`."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self.connection = connection
        self.pgconn = connection.pgconn
        for name, loader in LOADERS.items():
            connection.adapters.register_loader(name, loader)
        self._transformer = Transformer(connection)
        self._plain = frozenset(connection.adapters.types[name].oid for name in PLAIN)
        self._utf8 = connection.info.encoding == "utf-8"
        self._prepared: dict[str, bytes] = {}
        self._numbers = count()
        self._under_way = False
        self._woken: asyncio.Future[None] | None = None

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        return self.pgconn.status == ConnStatus.BAD

    async def close(self) -> None:
        """Hang up; a question under way is cancelled first, so that the server does not go on for nobody. Never raises."""
        with suppress(psycopg.Error, OSError):
            if self._under_way and not self.closed:
                await self.connection.cancel_safe(timeout=CANCEL_SECONDS)
        await self.connection.close()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear of it when the server answers: around all questions of a poll, as each time it costs two calls of the system."""
        loop, socket = asyncio.get_running_loop(), self.pgconn.socket
        loop.add_reader(socket, self._wake)
        try:
            yield
        finally:
            loop.remove_reader(socket)

    async def together(self, questions: Sequence[str]) -> list[Heard]:
        """Ask all in one pipeline and one transaction; the first that fails ends it. Raises psycopg.Error when the connection is lost."""
        if not self.pgconn.pipeline_status:
            self.pgconn.enter_pipeline_mode()
        asked: deque[tuple[str, bytes | None]] = deque()  # in the order of their results; a name where one is prepared
        for text in questions:
            name = self._prepared.get(text)
            if name is None:
                name = b"opsportal_%d" % next(self._numbers)
                self.pgconn.send_prepare(name, text.encode())
                asked.append((text, name))
            self.pgconn.send_query_prepared(name, None)
            asked.append((text, None))
        self.pgconn.pipeline_sync()
        found = await self._results(ExecStatus.PIPELINE_SYNC)
        return self._read(asked, found)

    async def simple(self, command: str) -> Rows | psycopg.Error:
        """Ask one by the simple protocol, all that PgBouncer's console speaks. Raises psycopg.Error when the connection is lost."""
        self.pgconn.send_query(command.encode())
        *_others, result = await self._results(None)
        return self._heard(result)

    async def alone(self, question: str) -> Heard:
        """Ask one by itself, its plan made anew: that may be what failed, where a column has another type now."""
        if name := self._prepared.pop(question, None):
            await self._once(f"DEALLOCATE {name.decode()}")
        return await self._once(question)

    async def _once(self, question: str) -> Heard:
        self.pgconn.send_query_params(question.encode(), None)
        self.pgconn.pipeline_sync()
        (result,) = await self._results(ExecStatus.PIPELINE_SYNC)
        return self._heard(result)

    def _read(self, asked: "deque[tuple[str, bytes | None]]", found: Sequence[PGresult]) -> list[Heard]:
        heard: list[Heard] = []
        refused: psycopg.Error | None = None  # by the server, while it prepared the question
        for (text, name), result in zip(asked, found, strict=True):
            if result.status == ExecStatus.PIPELINE_ABORTED:
                said: Heard = None
            else:
                said = self._heard(result)
            if name is None:
                heard.append(refused or said)
                refused = None
            elif isinstance(said, psycopg.Error):
                refused = said
            elif said is not None:
                self._prepared[text] = name
        return heard

    def _heard(self, result: PGresult) -> Rows | psycopg.Error:
        if result.status == ExecStatus.TUPLES_OK:
            return self._rows(result)
        if result.status == ExecStatus.COMMAND_OK:
            return ()
        return error_from_result(result, self.connection.info.encoding)

    def _rows(self, result: PGresult) -> Rows:
        if not result.ntuples:
            return ()
        columns = range(result.nfields)
        names = [(result.fname(n) or b"").decode("utf-8", "replace") for n in columns]
        self._transformer.set_pgresult(result)
        try:
            rows = tuple(
                self._transformer.load_rows(
                    0,
                    result.ntuples,
                    lambda values: dict(zip(names, values)),  # noqa: B905  as many by definition
                )
            )
        except (ValueError, psycopg.DataError):  # text that is not in the encoding it claims, a time beyond ours
            return plain(dict(zip(names, self._lenient(result, n), strict=True)) for n in range(result.ntuples))
        return rows if self._utf8 and self._plain.issuperset(map(result.ftype, columns)) else plain(rows)

    def _lenient(self, result: PGresult, row: int) -> list[Any]:
        """A row value by value: what cannot be loaded is its text."""
        values = [result.get_value(row, n) for n in range(result.nfields)]
        loaded: list[Any] = []
        for n, value in enumerate(values):
            try:
                loaded.append(None if value is None else self._loader(result.ftype(n))(value))
            except (ValueError, psycopg.DataError):
                loaded.append(value)
        return loaded

    def _loader(self, oid: int) -> Callable[[bytes], Any]:
        return self._transformer.get_loader(oid, psycopg.pq.Format.TEXT).load

    async def _results(self, last: ExecStatus | None) -> list[PGresult]:
        """All results up to one with the status `last`, or, for None, until there is nothing more."""
        self._under_way = True
        found: list[PGresult] = []
        ended = False  # the results of one question; nothing after that: there are no more
        await self._flush()
        while True:
            while self.pgconn.is_busy():
                await self._ready()
                self.pgconn.consume_input()
            result = self.pgconn.get_result()
            if self.closed:
                raise psycopg.OperationalError(_words(self.pgconn.error_message, result))
            if result is not None:
                if result.status == last:
                    break
                found.append(result)
            elif last is None and found:
                break
            elif ended or last is None:
                raise psycopg.OperationalError("the answer ended early")
            ended = result is None
        self._under_way = False
        return found

    async def _flush(self) -> None:
        while self.pgconn.flush():
            loop = asyncio.get_running_loop()
            loop.add_writer(self.pgconn.socket, self._wake)
            try:
                await self._ready()
            finally:
                loop.remove_writer(self.pgconn.socket)
            self.pgconn.consume_input()

    async def _ready(self) -> None:
        """Wait until the socket has something to read; no timeout: who asks has a deadline."""
        self._woken = asyncio.get_running_loop().create_future()
        await self._woken

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)


def _words(message: bytes, result: PGresult | None) -> str:
    text = message or (result.error_message if result else b"")
    return text.decode("utf-8", "replace").strip() or "the server closed the connection"
