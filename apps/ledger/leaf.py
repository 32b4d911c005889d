"""The exact bytes of an entry and its hash; standard library and RFC 8785 only, so that an auditor can read it alone.

A leaf is a list of netstrings (`<length>:<bytes>,`): the domain, seq, at, actor, kind, subject, tier, the hash before it and
the body. Lengths make it unambiguous whatever the strings contain. The hash of an entry is SHA-256(0x00 ‖ leaf), which
is RFC 6962's leaf hash: a Merkle tree over the ledger needs no other hash than the ones already stored.
`sql/trust.sql` computes the same in the database.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import rfc8785

DOMAIN = b"opsportal.ledger/entry/1"
GENESIS = bytes(32)
SAFE_INTEGER = 2**53 - 1
# PostgreSQL's text holds no NUL and no lone surrogate; JSON may escape the first, so bodies keep it.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class Unwritable(Exception):
    """The entry cannot be recorded, so the action it records must not happen."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """All that an entry says; `body` is canonical JSON, `at` is aware."""

    seq: int
    at: datetime
    actor: str
    kind: str
    subject: str
    tier: str
    prev_hash: bytes
    body: bytes

    @property
    def exact(self) -> bytes:
        """The bytes that are hashed."""
        stamp = instant(self.at).encode()
        texts = (self.actor.encode(), self.kind.encode(), self.subject.encode(), self.tier.encode())
        parts = (DOMAIN, b"%d" % self.seq, stamp, *texts, self.prev_hash, self.body)
        return b"".join(b"%d:%b," % (len(part), part) for part in parts)

    @property
    def hash(self) -> bytes:
        """32 bytes: SHA-256(0x00 ‖ exact bytes)."""
        return hashlib.sha256(b"\x00" + self.exact).digest()


def instant(at: datetime) -> str:
    """
    ISO 8601 in UTC with microseconds.

    >>> instant(datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC))
    '2026-01-02T03:04:05.000006Z'
    """
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def canonical(body: Mapping[str, Any]) -> bytes:
    """
    The body as RFC 8785 JSON in UTF-8; raises Unwritable for what JSON cannot carry.

    Whole numbers beyond 2⁵³ and decimals become strings, times ISO 8601 in UTC, durations seconds as a string.

    >>> canonical({"b": Decimal("1.10"), "a": 2**60})
    b'{"a":"1152921504606846976","b":"1.10"}'
    """
    try:
        return rfc8785.dumps(_portable(body))
    except (rfc8785.CanonicalizationError, UnicodeError, RecursionError) as error:
        raise Unwritable(f"The ledger cannot record this body: {error}. Nothing was done.") from error


def _portable(value: Any) -> Any:
    match value:
        case Enum():
            return _portable(value.value)
        case bool() | None | str():
            return value
        case int() | float():
            return _number(value)
        case Mapping():
            return {_key(key): _portable(item) for key, item in value.items()}
        case list() | tuple():
            return [_portable(item) for item in value]
        case set() | frozenset():
            return sorted((_portable(item) for item in value), key=str)
    return _as_text(value)


def _number(value: Any) -> Any:
    if isinstance(value, float) and not value.is_integer():
        return value
    whole = int(value)
    return whole if -SAFE_INTEGER <= whole <= SAFE_INTEGER else str(whole)


def _as_text(value: Any) -> str:
    match value:
        case datetime() if value.tzinfo is None:
            raise Unwritable(f"The ledger records no time without a zone: {value!r}. Nothing was done.")
        case datetime():
            return instant(value)
        case date():
            return value.isoformat()
        case timedelta():
            return str(Decimal(value // timedelta(microseconds=1)).scaleb(-6).normalize())
        case Decimal() | UUID():
            return str(value)
        case bytes():
            return value.hex()
    raise Unwritable(f"The ledger records JSON; {type(value).__name__} is not: {value!r:.80}. Nothing was done.")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise Unwritable(f"The ledger records JSON, whose keys are strings; {key!r:.80} is not. Nothing was done.")
    return key.value if isinstance(key, Enum) else key
