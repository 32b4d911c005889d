"""What leaves this process for the portal's Redis, beside the work: one thread, one connection, never in anybody's way.

A sender is called every few seconds with a client. While Redis is away nothing waits for it: senders keep what they can
and count what they drop.
"""

import atexit
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_hex
from time import monotonic

import redis
from django.conf import settings

from apps.telemetry import process
from apps.telemetry.forking import Work

Send = Callable[[redis.Redis], None]
TICK_SECONDS = 0.5
# Within these a Redis that is there answers; one that is not is tried again after REST_SECONDS.
WITHIN_SECONDS = 1.0
REST_SECONDS = 5.0
# How long a number that was taken is known: a command that was answered too late waits in Redis no longer than Redis hangs.
KNOWN_SECONDS = 3600
# Beginning and end of a script that does its work once for each number, however often it is sent. KEYS[1]: `Numbers.key`; ARGV[1]: the
# number; ARGV[2]: KNOWN_SECONDS. Noted at the end, because Redis takes nothing back of a script that fails: it is sent again then.
ONCE = "if tonumber(redis.call('GET', KEYS[1]) or '0') >= tonumber(ARGV[1]) then return 0 end"
DONE = "return redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])"


def address() -> str:
    """The Redis that takes it: `TELEMETRY_REDIS_URL`, for applications without one `REDIS_URL`."""
    return str(getattr(settings, "TELEMETRY_REDIS_URL", "") or settings.REDIS_URL)


def client() -> redis.Redis:
    """A client that gives up within a second and does not try twice."""
    return redis.Redis.from_url(
        address(), socket_timeout=WITHIN_SECONDS, socket_connect_timeout=WITHIN_SECONDS, retry=None
    )


class Numbers:
    """
    Numbers for the batches of one sender of this process: a batch whose answer did not come is sent again, and may have been taken.

    `prefix`: of the key under which Redis keeps the last number that it took. What has one number is the same each time it is sent.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self.forget()

    def forget(self) -> None:
        """Begin as another sender: in a forked child."""
        # A container's processes have the same number after each start.
        self.key, self.last = f"{self._prefix}:{process.identity()}:{token_hex(4)}", 0

    def next(self) -> int:
        """The number of a new batch."""
        self.last += 1
        return self.last


@dataclass(slots=True)
class _Sender:
    send: Send
    every: float  # seconds
    due: float = 0.0


class Outbox:
    """The senders of this process and the thread that calls them; a forked child gets a thread of its own."""

    def __init__(self) -> None:
        self._senders: list[_Sender] = []
        self._calls = Work()
        self._begin()
        os.register_at_fork(after_in_child=self._begin)
        atexit.register(self.flush)

    def _begin(self) -> None:
        self.started = False
        self._client: redis.Redis | None = None
        self._rest_until = 0.0

    def register(self, send: Send, every: float) -> None:
        """Call `send` every so many seconds, and once at the end of the process."""
        self._senders.append(_Sender(send, every))

    def start(self) -> None:
        """Start the thread unless it runs; cheap to call again. Where the interpreter ends none begins: waiting for it would never end."""
        if not self.started and not sys.is_finalizing():
            self.started = True
            threading.Thread(target=self._go_on, name="telemetry-outbox", daemon=True).start()

    def flush(self) -> bool:
        """Call every sender now, on this thread; whether all was taken."""
        return not self.started or self._call(self._senders)

    def _go_on(self) -> None:
        pause = threading.Event()
        while not pause.wait(TICK_SECONDS):
            now = monotonic()
            due = [sender for sender in self._senders if sender.due <= now]
            for sender in due:
                sender.due = now + sender.every
            self._call(due)

    def _call(self, senders: list[_Sender]) -> bool:
        with self._calls:
            if not senders or monotonic() < self._rest_until:
                return not senders
            try:
                self._client = self._client or client()
                for sender in senders:
                    sender.send(self._client)
            except (redis.RedisError, OSError, ValueError):  # ValueError: an address, or a text, that is none
                # Not logged: that line would have to leave the same way. /readyz and the page of the lines say it.
                self._client, self._rest_until = None, monotonic() + REST_SECONDS
                return False
            return True


outbox = Outbox()
