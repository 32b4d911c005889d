"""The last log lines of all processes, in a stream of the portal's Redis: what the page of the lines shows.

A line is put into a queue, which costs a microsecond, and leaves with the outbox; it was masked before it came here. What
does not fit while Redis is away is dropped and counted, and the count is kept as a line.
"""

import os
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any, cast

import orjson
import redis
from django.conf import settings
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import localtime

from apps.telemetry import process
from apps.telemetry.controls import spelled_out, spelled_out_in
from apps.telemetry.outbox import DONE, KNOWN_SECONDS, ONCE, Numbers, client, outbox

STREAM = "opsportal:log:lines"
KEPT = 20_000  # lines, unless LOG_LINES says otherwise
KEPT_FOR = timedelta(hours=48)
# One command for a batch: a command for each line would cost this process ten times as much as the line itself.
# KEYS: what was taken, the stream, the count of lost lines. ARGV: number, known for, most, oldest, process, lost, the count's life, lines
ADD = f"""{ONCE}
for i = 8, #ARGV do
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', 'p', ARGV[5], 'l', ARGV[i])
end
if tonumber(ARGV[6]) > 0 then
  redis.call('INCRBY', KEYS[3], ARGV[6])
  redis.call('EXPIRE', KEYS[3], ARGV[7])
end
redis.call('XTRIM', KEYS[2], 'MINID', '~', ARGV[4])
{DONE}"""
QUEUED = 5_000
BATCH = 500
SEND_SECONDS = 0.5
# Asked of Redis at a time; at first no more than a page without a filter shows.
FIRST, AT_A_TIME = 201, 1_000
LONGEST = 32_768
DROPPED = "opsportal:log:dropped"  # by the hour, with how many were lost in it
HOUR = 3600

LEVELS = ("debug", "info", "warning", "error", "critical")
_queue: deque[str] = deque()
_dropped = 0
_numbers = Numbers("opsportal:log:taken")


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is sent at once, again and again until Redis says that it has it: lines from the head of the queue, and how many were lost."""

    number: int
    lines: list[str]
    lost: int

    def said(self) -> list[str]:
        """The lines as they are kept, and one that tells of a loss."""
        told = [line[:LONGEST] for line in self.lines]
        if self.lost:
            loss = {"event": "log lines dropped", "level": "warning", "count": self.lost}
            loss["timestamp"] = _now().isoformat()
            told.append(orjson.dumps(loss).decode())
        return told


_unsure: _Batch | None = None  # sent, and not known to be taken


def keep(line: str) -> None:
    """Queue one line of JSON; never waits."""
    global _dropped  # noqa: PLW0603  one count of this process
    if len(_queue) >= QUEUED:
        _dropped += 1
        return
    _queue.append(line)
    if not outbox.started:
        outbox.start()


def send(to: redis.Redis) -> None:
    """Hand the queue over to Redis and trim what is too much or too old. Raises RedisError; the lines stay queued then."""
    global _dropped, _unsure  # noqa: PLW0603  one count of this process
    while _queue or _dropped:
        batch = _unsure or _Batch(_numbers.next(), [_queue[n] for n in range(min(BATCH, len(_queue)))], _dropped)
        _unsure = batch
        keys = (_numbers.key, STREAM, f"{DROPPED}:{int(_now().timestamp()) // HOUR}")
        oldest = _id_of(_now() - KEPT_FOR)
        sizes = (batch.number, KNOWN_SECONDS, most(), oldest, process.identity(), batch.lost, 2 * HOUR)
        to.eval(ADD, len(keys), *keys, *sizes, *batch.said())
        for _ in batch.lines:
            _queue.popleft()
        _dropped -= batch.lost
        _unsure = None


def dropped(asked: redis.Redis) -> int:
    """How many lines were dropped in this hour and the one before, by all processes that said so. Raises RedisError."""
    hour = int(_now().timestamp()) // HOUR
    counts = cast(list[bytes | None], asked.mget([f"{DROPPED}:{hour}", f"{DROPPED}:{hour - 1}"]))
    return sum(int(count) for count in counts if count)


def most() -> int:
    """How many lines are kept; 0 when none are."""
    return int(getattr(settings, "LOG_LINES", KEPT))


outbox.register(send, SEND_SECONDS)


def forget() -> None:
    """Start from nothing, as a forked child does."""
    global _dropped, _unsure
    _queue.clear()
    _dropped, _unsure = 0, None
    _numbers.forget()


os.register_at_fork(after_in_child=forget)  # the parent sends what it has queued, and tells what it dropped


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it is kept: `id` is the stream's, in the order of arrival; `fields` are those that have no column."""

    id: str
    process: str
    at: datetime
    level: str
    event: str
    correlation_id: str
    fields: Mapping[str, Any]

    @property
    def program(self) -> str:
        """The program it is: web, worker, beat or a command."""
        return self.process.partition("@")[0]

    @property
    def traceback(self) -> str:
        """The traceback, where the line has one."""
        return spelled_out(str(self.fields.get("exception", "")))

    @property
    def described(self) -> SafeString:
        """All that it says as entries of a definition list, by the names that the line itself has.

        Made here: the template takes as long for the two thousand entries of a page as for everything else of it.
        """
        own = [("event", self.event), ("at", localtime(self.at).isoformat()), ("process", self.process)]
        entries = [f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in (*own, *self.pairs)]
        return mark_safe("".join(entries))  # noqa: S308  each name and value is escaped

    @property
    def short(self) -> str:
        """What happened, cut where there is no room for more."""
        return _cut(self.event, 200)

    @property
    def short_path(self) -> str:
        """The path that was asked for, likewise."""
        return _cut(str(self.fields.get("path", "")), 80)

    @property
    def short_id(self) -> str:
        """The beginning of the correlation id."""
        return _cut(self.correlation_id, 12)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The other fields, as text to be shown."""
        return [(spelled_out_in(key), _shown(value)) for key, value in self.fields.items() if key != "exception"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines: empty means all. `level` is the least one, `text` is looked for in the whole line without regard to case."""

    correlation_id: str = ""
    level: str = ""
    program: str = ""
    text: str = ""
    since: datetime | None = None

    def fits(self, line: Line, raw: str) -> bool:
        """Whether a line is wanted."""
        return (
            self.correlation_id in {"", line.correlation_id}
            and self.program in {"", line.program}
            and (not self.level or (line.level in LEVELS and LEVELS.index(line.level) >= LEVELS.index(self.level)))
            and (not self.text or any(words in raw.lower() for words in self._words()))
        )

    def _words(self) -> tuple[str, str]:
        """The text as it was typed, and as a line of JSON has it: every name in a statement stands in quotes."""
        return self.text.lower(), orjson.dumps(self.text).decode()[1:-1].lower()


@dataclass(frozen=True, slots=True)
class Found:
    """Lines, newest first. `cut`: there may be more than were looked for. `total` and `oldest` are of the whole stream."""

    lines: list[Line] = field(default_factory=list)
    cut: bool = False
    total: int = 0
    oldest: datetime | None = None


def find(wanted: Wanted, most: int = 200) -> Found:
    """The newest lines that are wanted; raises RedisError when Redis does not answer."""
    with client() as asked:
        total = int(cast(int, asked.xlen(STREAM)))
        first = cast(list[tuple[bytes, Any]], asked.xrange(STREAM, count=1))
        found: list[Line] = []
        for line, raw in _newest_first(asked, wanted.since):
            if wanted.fits(line, raw):
                if len(found) == most:
                    return Found(found, True, total, _time_of(first[0][0]))
                found.append(line)
    return Found(found, False, total, _time_of(first[0][0]) if first else None)


def _newest_first(asked: redis.Redis, since: datetime | None) -> Iterator[tuple[Line, str]]:
    least, last, asking = _id_of(since) if since else "-", "+", FIRST
    while True:
        entries = cast(
            list[tuple[bytes, dict[bytes, bytes]]],
            asked.xrevrange(STREAM, last, least, count=asking),
        )
        for stream_id, entry in entries:
            raw = entry[b"l"].decode("utf-8", "replace")
            yield _line(stream_id.decode(), entry[b"p"].decode("utf-8", "replace"), raw), raw
        if len(entries) < asking:
            return
        asking = AT_A_TIME
        last = f"({entries[-1][0].decode()}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return str(spelled_out_in(text))


COLUMNS = {"timestamp", "level", "event", "correlation_id"}


def _line(stream_id: str, who: str, raw: str) -> Line:
    try:
        said = orjson.loads(raw)
    except orjson.JSONDecodeError:  # cut at LONGEST
        said = {"event": raw}
    return Line(
        id=stream_id,
        process=who,
        at=_time_of(stream_id.encode()),
        level=str(said.get("level", "")),
        event=_shown(said.get("event", "")),
        correlation_id=str(said.get("correlation_id", "")),
        fields={key: value for key, value in said.items() if key not in COLUMNS},
    )


def _id_of(at: datetime) -> str:
    return str(max(0, int(at.timestamp() * 1000)))  # Redis knows no time before 1970


def _time_of(stream_id: bytes) -> datetime:
    return datetime.fromtimestamp(int(stream_id.partition(b"-")[0]) / 1000, UTC)


def _now() -> datetime:
    return datetime.now(UTC)
