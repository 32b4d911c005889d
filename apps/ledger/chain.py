"""Appending to the ledger: the one way in which anything is recorded."""

from collections.abc import Mapping
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from apps.ledger import kinds
from apps.ledger.leaf import UNSTORABLE, Leaf, Unwritable, canonical
from apps.ledger.models import Entry

__all__ = ["SYSTEM", "Unwritable", "append"]

SYSTEM = "system"
LONGEST = 500


def append(
    *,
    kind: str,
    subject: str,
    actor: str,
    body: Mapping[str, Any] | None = None,
    tier: str = "",
    using: str = DEFAULT_DB_ALIAS,
) -> Entry:
    """
    Record that something is being done, in the transaction that does it.

    Must run inside `transaction.atomic()`, after every check and as late as possible: from here to the commit no other
    entry can be written. Whatever stops the entry stops the caller's transaction: if it cannot be recorded, it does
    not happen.

    Args:
        kind: a declared kind, such as `rollout.tick` (see `kinds.declare`).
        subject: what it is about, a path such as `rollout/1/week-1-2/app-up`.
        actor: a username, or `chain.SYSTEM`.
        body: JSON; whole numbers beyond 2⁵³, decimals, times and durations become strings.
        tier: the tier's slug, empty when it concerns none or all.

    Returns:
        The entry as written, with its number and hash.

    Raises:
        Unwritable: the body is no JSON, a name is too long or unstorable, or there is no transaction.
        UnknownKind: no room declared the kind.
        django.db.Error: the database refused or is gone.
    """
    kinds.known(kind)
    connection = connections[using]
    if not connection.in_atomic_block:
        raise Unwritable(
            f"{kind} was to be recorded outside a transaction; the action and its entry must stand together."
        )
    for name, text in {"kind": kind, "subject": subject, "actor": actor, "tier": tier}.items():
        _storable(name, text)
    if not actor or not subject:
        raise Unwritable(f"{kind} names no {'subject' if actor else 'actor'}. Nothing was done.")
    exact = canonical(body or {})
    with connection.cursor() as cursor:
        cursor.execute("SELECT seq, hash, at FROM ledger_lock()")
        last, last_hash, at = cursor.fetchone()
    leaf = Leaf(last + 1, at, actor, kind, subject, tier, bytes(last_hash), exact)
    return Entry.objects.using(using).create(
        seq=leaf.seq, at=leaf.at, actor=actor, kind=kind, subject=subject, tier=tier,
        body=leaf.body, prev_hash=leaf.prev_hash, hash=leaf.hash,
    )  # fmt: skip


def _storable(name: str, text: str) -> None:
    if len(text) > LONGEST:
        raise Unwritable(f"The {name} of a ledger entry has at most {LONGEST} characters; this has {len(text)}.")
    if UNSTORABLE.search(text):
        raise Unwritable(f"The {name} of a ledger entry may hold no NUL and no lone surrogate: {text!r:.80}.")
