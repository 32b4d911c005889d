"""What a run has settled, chunk by chunk, and the signed token that tells the next run where to go on."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from django.core import signing

from apps.batch.tables import Refused

_SALT = "apps.batch.resume"
_VERSION = 1


class BadToken(Refused):
    """A resume token was made up, or belongs to another run or another input."""


@dataclass(slots=True)
class Settled:
    """
    Which chunks are done, in little memory: all below `through`, those of `beyond`, none of `missing`.

    `missing`: chunks that were given up, each with the transaction whose commit is not known, or 0 where it was rolled back.

    >>> settled = Settled(); settled.done(0); settled.done(2); settled.through, settled.wanted(1), settled.wanted(2)
    (1, True, False)
    """

    through: int = 0
    beyond: set[int] = field(default_factory=set)
    missing: dict[int, int] = field(default_factory=dict)

    def done(self, number: int) -> None:
        """A chunk was committed."""
        if self.missing.pop(number, None) is None:
            self._reach(number)

    def given_up(self, number: int, xid: int) -> None:
        """A chunk was not written, or, where `xid` is not 0, nobody knows."""
        self.missing[number] = xid
        self._reach(number)

    def wanted(self, number: int) -> bool:
        """Whether a chunk is still to be done."""
        return number in self.missing or (number >= self.through and number not in self.beyond)

    def _reach(self, number: int) -> None:
        if number < self.through:
            return
        self.beyond.add(number)
        while self.through in self.beyond:
            self.beyond.remove(self.through)
            self.through += 1


@dataclass(frozen=True, slots=True)
class Identity:
    """What a run and its resumption must have in common; `head` is a digest of the first row, empty where it has none."""

    operation: str
    target: str
    chunk: int
    head: str


def head_of(first: Any) -> str:
    """A digest of an input's first row, so that another input is noticed; empty for rows whose words vary, such as instances."""
    values = (
        list(first.values()) if isinstance(first, Mapping) else first if isinstance(first, (tuple, list)) else [first]
    )
    if not all(isinstance(value, (str, bytes, int, float, Decimal, date, type(None))) for value in values):
        return ""
    return hashlib.sha256(repr(values).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def token(identity: Identity, settled: Settled) -> str:
    """Where the next run goes on, signed with the portal's secret key."""
    found = {
        **_plain(identity),
        "through": settled.through,
        "beyond": sorted(settled.beyond),
        "missing": {str(number): xid for number, xid in settled.missing.items()},
    }
    return signing.Signer(salt=_SALT).sign_object(found, compress=True)


def token_of_job(job: int) -> str:
    """The token of a remembered run: what it had settled is read from the store when it is used, so it never grows old."""
    return signing.Signer(salt=_SALT).sign_object({"v": _VERSION, "job": job})


def job_of(text: str) -> int | None:
    """The job a token names; None for a token that tells everything itself. Raises BadToken."""
    job = _read(text).get("job")
    return job if isinstance(job, int) else None


def settled_of(text: str, identity: Identity) -> Settled:
    """What a token says is settled. Raises BadToken where it is not of this portal or of another run."""
    found = _read(text)
    refuse_other(identity, Identity(found["operation"], found["target"], found["chunk"], found["head"]))
    missing = {int(number): xid for number, xid in found["missing"].items()}
    return Settled(found["through"], set(found["beyond"]), missing)


def refuse_other(mine: Identity, before: Identity) -> None:
    """Raise BadToken when an earlier run was another one."""
    told = {
        "operation": (mine.operation, before.operation),
        "target": (mine.target, before.target),
        "chunk": (mine.chunk, before.chunk),
    }
    for name, (now, then) in told.items():
        if now != then:
            raise BadToken(f"The token is of a run with {name} {then}, this one has {now}. Resume with the same.")
    if mine.head and before.head and mine.head != before.head:
        raise BadToken(
            "The token is of a run over another input: the first row differs. Resume with the same rows, in the same order."
        )


def _plain(identity: Identity) -> dict[str, Any]:
    return {
        "v": _VERSION,
        "operation": identity.operation,
        "target": identity.target,
        "chunk": identity.chunk,
        "head": identity.head,
    }


def _read(text: str) -> dict[str, Any]:
    try:
        found = signing.Signer(salt=_SALT).unsign_object(text)
    except signing.BadSignature as error:
        raise BadToken(
            "This is no resume token of this portal: it was altered, cut short or signed with another key. Copy it whole."
        ) from error
    if not isinstance(found, dict) or found.get("v") != _VERSION:
        raise BadToken("The resume token is of another version of the portal. Begin the run again.")
    return found
