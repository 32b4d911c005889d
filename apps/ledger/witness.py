"""The witness: another process, of another user, that remembers what the ledger was and signs only what continues it.

It needs no database, no Django and no secret of the portal: it asks for checkpoints over HTTP like anybody else and keeps its own
key and its own memory. A database restored from an old dump, or rewritten by its superuser and signed anew, does not get past it.
"""

import base64
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from apps.ledger.keys import SigningKey, rendered, signed
from apps.ledger.offline.verify import BrokenClaim, Checkpoint, Key, Note, consistent

REFUSAL = "opsportal.ledger/refusal/1"
AHEAD = 300  # seconds by which the portal's clock may be before ours
LARGEST = 100_000  # bytes of an answer
TIMEOUT = 10  # seconds


class Refusal(Enum):
    """Why the witness does not sign."""

    FORGED = "not signed by the ledger's key"
    SHORTER = "shorter than before"
    REWRITTEN = "rewritten"
    TIME = "time went back"


class Refused(Exception):
    """The witness does not sign what it was shown; it says why, in a sentence."""

    def __init__(self, refusal: Refusal, why: str) -> None:
        super().__init__(why)
        self.refusal = refusal


class Unreachable(Exception):
    """The portal does not answer, or not with a checkpoint; nothing is said about the ledger."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the witness saw last: how many entries, their root, the checkpoint's time and its own (seconds since 1970)."""

    size: int
    root: str
    time: int
    seen: int

    @classmethod
    def load(cls, path: Path) -> "Memory | None":
        """None before the first checkpoint; raises ValueError for a file that is none of ours, which nobody should then replace."""
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{path} is not the witness's memory ({error}). Restore it from its copy; without it nothing is signed."
            ) from error


@dataclass(frozen=True, slots=True)
class Places:
    """Where the witness finds and puts things: the portal's address, its memory, and what it signs for others to copy."""

    url: str
    memory: Path
    out: Path

    @property
    def refused(self) -> Path:
        """Where a refusal is written, beside what was signed."""
        return self.out.with_name(self.out.name + ".refused")


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness of one ledger; `clock` is seconds since 1970, `fetch` answers a path of the portal."""

    key: SigningKey
    ledger: Key
    places: Places
    fetch: Callable[[str], bytes]
    clock: Callable[[], float] = time.time

    def look(self) -> Checkpoint:
        """
        Ask for the newest checkpoint and cosign it.

        Raises:
            Refused: it does not continue what was seen before; the refusal is signed and written beside the last signature.
            Unreachable: there was nothing to look at.
            OSError: it could not write its memory or its signature.
        """
        before, now = Memory.load(self.places.memory), int(self.clock())
        try:
            note, shown = self._shown(now, before)
            self._continues(before, shown)
        except Refused as error:
            self._refuse(error, now)
            raise
        _replace(self.places.memory, json.dumps(asdict(Memory(shown.size, shown.root.hex(), shown.time, now))), 0o600)
        _replace(self.places.out, rendered(note) + self.key.sign(note.text, now), 0o644)
        self.places.refused.unlink(missing_ok=True)
        return shown

    def _shown(self, now: int, before: Memory | None) -> tuple[Note, Checkpoint]:
        try:
            note = Note.parse(self.fetch("checkpoint"))
            shown = Checkpoint.parse(note.text)
        except ValueError as error:
            raise Unreachable(f"{self.places.url} answered something else than a checkpoint: {error}.") from error
        try:
            note.signed_at(self.ledger)
        except BrokenClaim as error:
            raise Refused(Refusal.FORGED, f"The checkpoint is not signed by the ledger's key: {error}.") from error
        if shown.time > now + AHEAD or (before and now < before.seen):
            raise Refused(
                Refusal.TIME,
                "The portal's clock is ahead of the witness's, or the witness's went back. Set the clocks right.",
            )
        if before and shown.time < before.time:
            raise Refused(
                Refusal.TIME,
                f"The portal shows a checkpoint that is {before.time - shown.time} s older than one seen before.",
            )
        return Note(note.text, note.lines[:1]), shown

    def _continues(self, before: Memory | None, shown: Checkpoint) -> None:
        if before is None:
            return
        if shown.size < before.size:
            raise Refused(
                Refusal.SHORTER,
                f"The ledger had {before.size} entries and shows {shown.size}: it was cut short, or an old dump was restored.",
            )
        old, path = bytes.fromhex(before.root), []
        if before.size not in {0, shown.size}:
            lines = self.fetch(f"consistency/{before.size}/{shown.size}/").decode("ascii", "replace").split()
            try:
                path = [base64.b64decode(line, validate=True) for line in lines]
            except ValueError as error:
                raise Unreachable(f"{self.places.url} answered something else than a consistency proof.") from error
        if not consistent(before.size, shown.size, old, shown.root, path):
            raise Refused(
                Refusal.REWRITTEN,
                f"The ledger of {shown.size} entries does not contain the {before.size} that were witnessed: an entry was rewritten.",
            )

    def _refuse(self, error: Refused, now: int) -> None:
        text = f"{REFUSAL}\n{self.ledger.name}\n{error}\ntime {now}\n"
        _replace(self.places.refused, signed(text, self.key.sign(text, now)), 0o644)


def over_http(url: str) -> Callable[[str], bytes]:
    """Asks the portal's /ledger/ at this address; raises Unreachable."""

    def fetch(path: str) -> bytes:
        request = Request(f"{url.rstrip('/')}/ledger/{path}", headers={"Accept": "text/plain"})  # noqa: S310  checked by the command
        try:
            with urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
                data: bytes = answer.read(LARGEST)
                return data
        except (URLError, OSError) as error:
            raise Unreachable(f"{url} does not answer: {error}.") from error

    return fetch


def _replace(path: Path, text: str, mode: int) -> None:
    """Write a file at once or not at all, and have it on the disk before going on."""
    draft = path.with_name(path.name + ".new")
    with draft.open("w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
