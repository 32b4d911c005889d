"""Signed checkpoints: what the ledger was at a moment, examined from its first entry to its last before it is signed.

A checkpoint is a signed note (C2SP): the ledger's name, how many entries, the Merkle root, the time; signed with a key that the
database does not hold. What is in the store can be rewritten by whoever rules it; what was signed and copied elsewhere cannot.
"""

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.ledger.keys import KeyUnusable, SigningKey, signed
from apps.ledger.models import Finding, Head, SignedCheckpoint
from apps.ledger.offline.verify import LOG, Checkpoint
from apps.ledger.proofs import Incomplete, tree
from apps.ledger.tree import EMPTY, Frontier
from apps.ledger.verify import verify

RENEW_AFTER = timedelta(minutes=5)
RENEW_ENTRIES = 100  # at the latest when so many entries are newer than the last checkpoint
STALE_AFTER = 3 * RENEW_AFTER
STORE = """
INSERT INTO ledger_checkpoint (size, root, at, note) VALUES (%s, %s, %s, %s)
ON CONFLICT (size) DO UPDATE SET at = excluded.at, note = excluded.note
WHERE ledger_checkpoint.root = excluded.root AND ledger_checkpoint.at <= excluded.at
"""


class NotSigned(Exception):
    """No checkpoint was signed; the message says why and what to do."""


def signing_key() -> SigningKey:
    """The ledger's key; raises NotSigned when there is none or it cannot be used."""
    if not settings.LEDGER_KEY:
        raise NotSigned(
            _("There is no key to sign with. Make one with `manage.py ledger key` and set OPSPORTAL_LEDGER_KEY_FILE.")
        )
    try:
        return SigningKey.parse(settings.LEDGER_KEY, LOG)
    except KeyUnusable as error:
        raise NotSigned(f"OPSPORTAL_LEDGER_KEY: {error}") from error


def latest() -> SignedCheckpoint | None:
    """The newest signed checkpoint, for whoever prints it or shows its age."""
    return SignedCheckpoint.objects.order_by("-size").first()


def due(now: datetime) -> bool:
    """Whether another one should be signed: the last is old, or many entries are newer."""
    last = latest()
    if last is None or now - last.at >= RENEW_AFTER:
        return True
    head = Head.objects.first()
    return head is None or head.seq - last.size >= RENEW_ENTRIES


def covering(seq: int) -> SignedCheckpoint:
    """A checkpoint over entry `seq`: the newest, or one signed now. Raises NotSigned."""
    last = latest()
    return last if last and last.size >= seq else write()


def write() -> SignedCheckpoint:
    """
    Examine the whole ledger and sign what it is.

    Raises:
        NotSigned: there is no key, or the ledger is broken or not the one that was signed before; then the finding is recorded and
            shown until a checkpoint is signed again.
    """
    key, before = signing_key(), latest()
    grown = Frontier(roots={before.size: b""} if before and before.size else {})
    report = verify(grown=grown)
    root = grown.root if grown.size else EMPTY
    if found := _fault(report.broken.explanation if report.broken else "", grown, root, before):
        _record(found, before)
        raise NotSigned(found)
    at = timezone.now()
    text = str(Checkpoint(key.name, grown.size, root, int(at.timestamp())))
    with connection.cursor() as cursor:
        cursor.execute(STORE, [grown.size, root, at, signed(text, key.sign(text))])
    return SignedCheckpoint.objects.get(size=grown.size)


def _record(found: str, before: SignedCheckpoint | None) -> None:
    """Keep a finding once, until a checkpoint is signed again."""
    last = Finding.objects.order_by("-id").first()
    if last is None or last.said != found or (before and before.at > last.at):
        Finding.objects.create(at=timezone.now(), said=found)


def _fault(broken: str, grown: Frontier, root: bytes, before: SignedCheckpoint | None) -> str:
    """What is wrong, in a sentence; empty when nothing is."""
    if broken:
        return _("The ledger is broken: %(what)s") % {"what": broken}
    if before and before.size > grown.size:
        text = _(
            "%(signed)d entries were signed for, the ledger has only %(now)d: it was cut short or an old dump restored."
        )
        return text % {"signed": before.size, "now": grown.size}
    if before and before.size and grown.roots[before.size] != bytes(before.root):
        text = _(
            "The first %(size)d entries are not those that were signed %(at)s: one of them was rewritten, with all after it."
        )
        return text % {"size": before.size, "at": before.at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")}
    try:
        stored = tree(grown.size).root
    except Incomplete as error:
        return str(error)
    if stored != root:
        return _("The stored hashes of groups of entries are not those of the entries: one of the two was rewritten.")
    return ""
