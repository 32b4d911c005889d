"""The query figures of all processes, in the portal's Redis: windows of five minutes for an hour, of an hour for a day.

Each process writes its own present windows whole, every few seconds, under its own name: writing twice changes nothing, and
whoever reads adds all processes up. What was not taken is written the next time.
"""

import os
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from secrets import token_hex
from time import time
from typing import TYPE_CHECKING, Any, cast

import orjson
import redis

from apps.telemetry import correlation, monitor, process
from apps.telemetry.outbox import DONE, KNOWN_SECONDS, ONCE, Numbers, client, outbox
from apps.telemetry.sketches import OTHERS, Durations, Window, merged

if TYPE_CHECKING:
    from apps.telemetry.statements import Statement

PREFIX = "opsportal:queries:"
SLOW, TOTAL = f"{PREFIX}slow", f"{PREFIX}total"
TALLY = f"{PREFIX}tally:"  # by the window of five minutes: all calls, and how many were slow
# KEYS: what was taken, SLOW, TOTAL, the tally. ARGV: number, known for, calls, of them slow, KEPT_SLOW, SLOW's life, the tally's, slow ones
COUNT = f"""{ONCE}
for i = 8, #ARGV do redis.call('LPUSH', KEYS[2], ARGV[i]) end
if #ARGV > 7 then
  redis.call('LTRIM', KEYS[2], 0, ARGV[5] - 1)
  redis.call('EXPIRE', KEYS[2], ARGV[6])
end
redis.call('INCRBY', KEYS[3], ARGV[3])
redis.call('HINCRBY', KEYS[4], 'calls', ARGV[3])
redis.call('HINCRBY', KEYS[4], 'slow', ARGV[4])
redis.call('EXPIRE', KEYS[4], ARGV[7])
{DONE}"""
SEND_SECONDS = 5.0
KEPT_SLOW = 100
UNSENT = 16  # windows that wait for Redis


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time to look at: its windows' length and how many of them, in seconds."""

    name: str
    length: int
    windows: int

    @property
    def seconds(self) -> int:
        """How far back it goes, the present window taken as whole."""
        return self.length * self.windows


HOUR, DAY = Span("hour", 300, 12), Span("day", 3600, 24)
SPANS = {span.name: span for span in (HOUR, DAY)}


@dataclass(frozen=True, slots=True)
class Slow:
    """One slow query, as an application answers it (`apps/lab/application/queries.py`), and who sent it."""

    name: str
    query: str
    duration_ms: float
    very_slow: bool
    node: str
    at: str
    correlation_id: str
    caller: str
    process: str

    @property
    def moment(self) -> datetime:
        """When it ended."""
        return datetime.fromisoformat(self.at)


@dataclass(frozen=True, slots=True)
class _Batch:
    """What is counted on top of what was: it is sent, the same, until Redis says that it has it."""

    number: int
    slow: tuple[Slow, ...]
    counted: int
    counted_slow: int


class Folding:
    """This process's windows: fills them from what the monitor put down, and writes them."""

    def __init__(self) -> None:
        self._numbers = Numbers(f"{PREFIX}taken")
        self.forget()

    def forget(self) -> None:
        """Start from nothing: at the start, and in a forked child."""
        self._numbers.forget()
        self._unsure: _Batch | None = None
        monitor.pending.clear()
        self._windows: dict[tuple[int, int], Window] = {}
        self._slow: deque[Slow] = deque(maxlen=KEPT_SLOW)
        self._known: dict[str, Statement] = {}
        self._told: set[str] = set()
        self._counted = self._counted_slow = 0
        # A container's processes have the same number after each start.
        self._who = f"{process.identity()}:{token_hex(4)}"

    def take_slow(self, query: monitor.SlowQuery) -> None:
        """Remember a slow query until it is sent."""
        found, now = query.statement, datetime.now(UTC).isoformat(timespec="milliseconds")
        self._slow.append(
            Slow(
                name=found.fingerprint,
                query=found.text,
                duration_ms=round(query.seconds * 1000, 3),
                very_slow=query.very_slow,
                node=query.alias,
                at=now,
                correlation_id=correlation.current(),
                caller=found.caller,
                process=process.NAME,
            )
        )

    def fold(self, now: float) -> None:
        """Put everything pending into the windows of the present time (seconds since 1970)."""
        windows = [self._window(span, now) for span in SPANS.values()]
        gathered: dict[Statement, list[float]] = {}
        while True:
            try:
                one = monitor.pending.popleft()
            except IndexError:
                break
            for statement, seconds in one.items() if isinstance(one, dict) else ((one[0], (one[1],)),):
                gathered.setdefault(statement, []).extend(seconds)
        for statement, durations in gathered.items():
            self._counted += len(durations)
            self._known[statement.fingerprint] = statement
            fresh = Durations()
            fresh.add(durations, monitor.limits.slow, monitor.limits.very_slow)
            self._counted_slow += fresh.slow
            for window in windows:
                window.durations(statement.fingerprint).merge(fresh)

    def send(self, to: redis.Redis) -> None:
        """Fold, and write what is known. Raises RedisError; all is written the next time then."""
        self.fold(time())
        while batch := self._next():
            pipe = to.pipeline(transaction=False)
            for (length, start), window in self._windows.items():
                key = f"{PREFIX}{length}:{start}"
                packed = {name: durations.packed() for name, durations in window.by_fingerprint.items()}
                pipe.hset(key, self._who, orjson.dumps(packed))
                pipe.expire(key, length + _kept_seconds(length))
            self._describe(pipe)
            keys = (self._numbers.key, SLOW, TOTAL, f"{TALLY}{int(time()) // HOUR.length}")
            counts = (batch.number, KNOWN_SECONDS, batch.counted, batch.counted_slow)
            lives = (KEPT_SLOW, DAY.seconds, 3 * HOUR.length)
            pipe.eval(COUNT, len(keys), *keys, *counts, *lives, *(orjson.dumps(asdict(one)) for one in batch.slow))
            pipe.execute()
            self._unsure = None
            self._forget_past()

    def _next(self) -> _Batch | None:
        """What is to be counted: what may not have been taken before what came since."""
        if self._unsure is None and (self._slow or self._counted):
            slow = tuple(self._slow.popleft() for _ in range(len(self._slow)))
            self._unsure = _Batch(self._numbers.next(), slow, self._counted, self._counted_slow)
            self._counted = self._counted_slow = 0
        return self._unsure

    def _window(self, span: Span, now: float) -> Window:
        start = int(now) // span.length * span.length
        window = self._windows.get((span.length, start))
        if window is None:
            while len(self._windows) >= UNSENT:  # Redis has been away for long
                del self._windows[next(iter(self._windows))]
            window = self._windows[span.length, start] = Window(start, span.length)
            self._told.clear()
            for statement in monitor.catalogue:  # who sends it is looked up once a window
                statement.due = True
        return window

    def _describe(self, pipe: Any) -> None:
        """Write text and caller of each statement once a window."""
        shown = set().union(*(window.by_fingerprint for window in self._windows.values()))
        self._known = {name: statement for name, statement in self._known.items() if name in shown}
        for name, statement in self._known.items():
            if name not in self._told:
                said = {"text": statement.text, "caller": statement.caller}
                pipe.set(f"{PREFIX}text:{name}", orjson.dumps(said), ex=DAY.seconds + DAY.length)
                self._told.add(name)

    def _forget_past(self) -> None:
        """Drop windows that are over, and sent."""
        now = time()
        for length, start in list(self._windows):
            if start + length <= now:
                del self._windows[length, start]


def _kept_seconds(length: int) -> int:
    return next(span.seconds for span in SPANS.values() if span.length == length)


folding = Folding()
monitor.noticed.append(folding.take_slow)
outbox.register(folding.send, SEND_SECONDS)
os.register_at_fork(after_in_child=folding.forget)


@dataclass(frozen=True, slots=True)
class Told:
    """What a statement is: its text and who sent it last, as far as some process said."""

    text: str
    caller: str


def read(span: Span, now: float | None = None) -> list[tuple[datetime, dict[str, Durations]]]:
    """Each window of a span, oldest first, all processes added up. Raises RedisError."""
    last = int(now or time()) // span.length
    starts = [start * span.length for start in range(last - span.windows + 1, last + 1)]
    with client() as asked:
        pipe = asked.pipeline(transaction=False)
        for start in starts:
            pipe.hvals(f"{PREFIX}{span.length}:{start}")
        answers = cast(list[list[bytes]], pipe.execute())
    return [
        (datetime.fromtimestamp(start, UTC), merged(map(_unpacked, answer)))
        for start, answer in zip(starts, answers, strict=True)
    ]


def slow_share(asked: redis.Redis, now: float | None = None) -> float | None:
    """The share of slow queries in the last one to two windows of five minutes, from two small hashes; None of none. Raises RedisError."""
    last = int(now or time()) // HOUR.length
    pipe = asked.pipeline(transaction=False)
    for place in (last, last - 1):
        pipe.hmget(f"{TALLY}{place}", ("calls", "slow"))
    said = cast(list[list[bytes | None]], pipe.execute())
    calls, slow = (sum(int(counts[place] or 0) for counts in said) for place in (0, 1))
    return slow / calls if calls else None


def _unpacked(packed: bytes) -> dict[str, Durations]:
    return {name: Durations.unpacked(said) for name, said in orjson.loads(packed).items()}


def told(fingerprints: Iterable[str]) -> dict[str, Told]:
    """Text and caller of statements. Raises RedisError."""
    names = [name for name in fingerprints if name != OTHERS]
    if not names:
        return {}
    with client() as asked:
        answers = cast(list[bytes | None], asked.mget([f"{PREFIX}text:{name}" for name in names]))
    found = {}
    for name, answer in zip(names, answers, strict=True):
        if answer:
            said = orjson.loads(answer)
            found[name] = Told(said["text"], said["caller"])
    return found


def slow_queries() -> list[Slow]:
    """The last slow ones, newest first. Raises RedisError."""
    with client() as asked:
        answers = cast(list[bytes], asked.lrange(SLOW, 0, KEPT_SLOW - 1))
    return [Slow(**orjson.loads(answer)) for answer in answers]


def total() -> int:
    """How many queries were counted since Redis was last emptied. Raises RedisError."""
    with client() as asked:
        return int(cast(bytes | None, asked.get(TOTAL)) or 0)
