"""How the ledger stands, for its page and the first one: examined and signed when, witnessed or not, and what is wrong."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.ledger.checkpoints import STALE_AFTER, latest
from apps.ledger.models import Finding, Head, SignedCheckpoint
from apps.ledger.offline.verify import BrokenClaim, Checkpoint, Key, Note
from apps.ledger.proofs import Incomplete, tree
from apps.ledger.witness import REFUSAL

WITNESS_STALE_AFTER = timedelta(minutes=15)


class Witnessing(Enum):
    """What is known of the witness."""

    NONE = "none"  # none was set up
    SIGNED = "signed"
    BEHIND = "behind"  # its last signature is old
    REFUSED = "refused"  # it says that the ledger is not the one it saw, or that cannot be reconciled with the store
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint with the witness's signature: the note's exact bytes, what it is over, when the witness signed (aware)."""

    data: bytes
    checkpoint: Checkpoint
    at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of the ledger; `trouble` is a sentence for a person, empty when nothing is wrong."""

    entries: int
    checkpoint: SignedCheckpoint | None
    witnessing: Witnessing
    cosigned: Cosigned | None
    witness_said: str
    trouble: str

    @property
    def signed(self) -> bool:
        """Whether a checkpoint was signed lately."""
        return self.checkpoint is not None and timezone.now() - self.checkpoint.at < STALE_AFTER

    @property
    def whole(self) -> bool:
        """Whether the last checkpoint is over every entry there is."""
        return self.checkpoint is not None and self.checkpoint.size >= self.entries

    @property
    def witnessed(self) -> bool:
        """Whether the witness signed lately, and for all that the last checkpoint is over."""
        if self.witnessing is not Witnessing.SIGNED or self.cosigned is None or self.checkpoint is None:
            return False
        return self.cosigned.checkpoint.size >= self.checkpoint.size


def standing() -> Standing:
    """The ledger's state from three small reads of the store and the witness's files."""
    head, last = Head.objects.first(), latest()
    witnessing, cosigned, told = witness()
    finding = Finding.objects.order_by("-id").first()
    trouble = told if witnessing is Witnessing.REFUSED else ""
    if finding and (last is None or finding.at > last.at):
        trouble = finding.said
    return Standing(head.seq if head else 0, last, witnessing, cosigned, told, trouble)


def witness() -> tuple[Witnessing, Cosigned | None, str]:
    """What the witness says, its last cosigned checkpoint, and a sentence where something is wrong."""
    if not settings.LEDGER_WITNESSED or not settings.LEDGER_WITNESS_KEY:
        return Witnessing.NONE, None, ""
    path = Path(settings.LEDGER_WITNESSED)
    try:
        key = Key.parse(settings.LEDGER_WITNESS_KEY)
        cosigned = _cosigned(path, key)
        refusal = _refusal(path.with_name(path.name + ".refused"), key)
    except FileNotFoundError:
        return Witnessing.BEHIND, None, _("The witness has not signed anything yet.")
    except (OSError, ValueError, BrokenClaim) as error:
        return Witnessing.UNREADABLE, None, _("What the witness wrote cannot be read: %(why)s") % {"why": error}
    if refusal:
        return Witnessing.REFUSED, cosigned, _("The witness refuses to sign: %(why)s") % {"why": refusal}
    if cosigned and (told := _unlike(cosigned.checkpoint)):
        return Witnessing.REFUSED, cosigned, told
    if cosigned is None or timezone.now() - cosigned.at > WITNESS_STALE_AFTER:
        return Witnessing.BEHIND, cosigned, _("The witness has not signed lately. Look whether it runs.")
    return Witnessing.SIGNED, cosigned, ""


def _cosigned(path: Path, key: Key) -> Cosigned | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    note = Note.parse(data)
    at = note.signed_at(key)
    return Cosigned(data, Checkpoint.parse(note.text), datetime.fromtimestamp(at or 0, UTC))


def _refusal(path: Path, key: Key) -> str:
    try:
        note = Note.parse(path.read_bytes())
    except FileNotFoundError:
        return ""
    note.signed_at(key)
    found = re.fullmatch(rf"{re.escape(REFUSAL)}\n[^\n]*\n([^\n]*)\ntime \d+\n", note.text)
    return found[1] if found else _("it gives no reason that can be read")


def _unlike(seen: Checkpoint) -> str:
    """How the store differs from what the witness saw, in a sentence; empty when it continues it."""
    head = Head.objects.first()
    if head is None or head.seq < seen.size:
        text = _(
            "The witness saw %(seen)d entries, the ledger has only %(now)d: it was cut short or an old dump restored."
        )
        return text % {"seen": seen.size, "now": head.seq if head else 0}
    try:
        same = tree(seen.size).root == seen.root
    except Incomplete as error:
        return str(error)
    return (
        ""
        if same
        else _("The first %(seen)d entries are not those that the witness saw: one was rewritten.")
        % {"seen": seen.size}
    )
