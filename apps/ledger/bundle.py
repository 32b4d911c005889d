"""An evidence bundle: everything that shows what was recorded about a subject, in one file that verifies without the portal.

Same ledger, same checkpoint, same bytes: a bundle holds no time of its making but the checkpoint's.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import orjson
from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from apps.ledger.checkpoints import covering, signing_key
from apps.ledger.keys import signed
from apps.ledger.leaf import instant
from apps.ledger.models import Entry, SignedCheckpoint
from apps.ledger.offline import verify as verifier
from apps.ledger.proofs import tree
from apps.ledger.state import Cosigned, witness

OFFLINE = Path(verifier.__file__).parent
BESIDE = "attachments/"


class NothingToShow(Exception):
    """No entry is about this subject."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a room puts into a bundle: `subject` selects the entries, `pin` is the pinned playbook, `amended` those adopted since by digest,
    `attachments` by name.

    An attachment's name begins with its SHA-256, which an entry must name; `attachments` may read each when it is asked for.
    """

    title: str
    subject: str
    pin: bytes = b""
    pin_digest: str = ""
    attachments: Mapping[str, bytes] = field(default_factory=dict)
    amended: Mapping[str, bytes] = field(default_factory=dict)


def entries_about(subject: str) -> QuerySet[Entry]:
    """Entries about a subject, what is inside it, and what it is inside of, oldest first."""
    parts = subject.split("/")
    above = ["/".join(parts[:length]) for length in range(1, len(parts))]
    return Entry.objects.filter(
        Q(subject=subject) | Q(subject__startswith=f"{subject}/") | Q(subject__in=above)
    ).order_by("seq")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the ledger holds about a subject at a checkpoint, oldest entry first."""

    entries: Sequence[Entry]
    checkpoint: SignedCheckpoint


def recorded(subject: str) -> Recorded:
    """
    The entries about a subject, all those under the checkpoint that goes with them.

    What else goes into a bundle is chosen by these entries and read after them: an entry stands in one transaction with what it
    names, so that whatever is done meanwhile is in the bundle as a whole or not at all.

    Raises:
        NothingToShow: there is no entry about the subject.
        checkpoints.NotSigned: there is no key, or the ledger is broken.
    """
    about = entries_about(subject)
    last = about.values_list("seq", flat=True).last()
    if last is None:
        raise NothingToShow(_("Nothing was recorded about %(subject)s.") % {"subject": subject})
    checkpoint = covering(last)
    return Recorded(list(about.filter(seq__lte=checkpoint.size)), checkpoint)


class _Files(Mapping[str, bytes]):
    """All files of a bundle by name: the record itself, and what lies beside it, of which there is one in memory at a time."""

    def __init__(self, record: Mapping[str, bytes], attachments: Mapping[str, bytes]) -> None:
        self._record, self._attachments = record, attachments

    def __getitem__(self, name: str) -> bytes:
        return self._record[name] if name in self._record else self._attachments[name.removeprefix(BESIDE)]

    def __iter__(self) -> Iterator[str]:
        yield from self._record
        yield from (f"{BESIDE}{name}" for name in self._attachments)

    def __len__(self) -> int:
        return len(self._record) + len(self._attachments)


def build(contents: Contents, found: Recorded) -> IO[bytes]:
    """
    The bundle as a ZIP file, in a temporary file that is gone when it is closed; it stands at its beginning. `found`: what was
    `recorded` about the subject.

    Raises:
        checkpoints.NotSigned: there is no key.
    """
    files = _record(contents, found.entries, found.checkpoint) | _statements(found.entries)
    if contents.pin:
        files["pin.json"] = contents.pin
    files |= {f"pins/{digest}.json": data for digest, data in contents.amended.items()}
    files["index.html"] = twin(files)
    files["verify.py"] = (OFFLINE / "verify.py").read_bytes()
    files[verifier.MANIFEST] = _manifest(contents.subject, _Files(files, contents.attachments))
    target = TemporaryFile()  # noqa: SIM115  the caller closes it
    verifier.pack_into(target, _Files(files, contents.attachments))
    target.seek(0)
    return target


def _record(contents: Contents, entries: Sequence[Entry], checkpoint: SignedCheckpoint) -> dict[str, bytes]:
    whole, seen = tree(checkpoint.size), _seen(checkpoint)
    paths = {str(entry.seq): [step.hash.hex() for step in whole.inclusion(entry.seq)] for entry in entries}
    consistency = [step.hex() for step in whole.consistency(seen.checkpoint.size)] if seen else []
    about = {
        "format": verifier.FORMAT,
        "title": contents.title,
        "subject": contents.subject,
        "entries": len(entries),
        "at": instant(checkpoint.at),
        "pin": contents.pin_digest,
    }
    keys = {"ledger": str(signing_key().public), "witness": settings.LEDGER_WITNESS_KEY if seen else None}
    files = {
        "about.json": _json(about),
        "entries.jsonl": b"".join(orjson.dumps(_line(entry)) + b"\n" for entry in entries),
        "proofs.json": _json(paths),
        "checkpoint.txt": checkpoint.note.encode(),
        "consistency.json": _json(consistency),
        "keys.json": _json(keys),
    }
    return files | ({"witnessed.txt": seen.data} if seen else {})


def _seen(checkpoint: SignedCheckpoint) -> Cosigned | None:
    """The newest witnessed checkpoint that this one continues."""
    _state, seen, _told = witness()
    return seen if seen and seen.checkpoint.size <= checkpoint.size else None


def _line(entry: Entry) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "at": instant(entry.at),
        "actor": entry.actor,
        "kind": entry.kind,
        "subject": entry.subject,
        "tier": entry.tier,
        "prev_hash": bytes(entry.prev_hash).hex(),
        "hash": bytes(entry.hash).hex(),
        "body": bytes(entry.body).decode(),
        "in_words": entry.sentence,
    }


def _statements(entries: Sequence[Entry]) -> dict[str, bytes]:
    """What people signed: entries that hold a statement, its exact bytes, and the passkey's assertion where one was made.

    An assertion is what `passkey` in an entry's body says: rp_id, origin, and in base64url credential_id, public_key (COSE),
    authenticator_data, client_data and signature.
    """
    listed, files = [], {}
    for entry, body in ((entry, entry.content) for entry in entries):
        if not isinstance(said := body.get("statement"), str) or "digest" not in body:
            continue
        name = f"statements/{hashlib.sha256(said.encode()).hexdigest()}.json"
        files[name] = said.encode()
        listed.append(
            {
                "entry": entry.seq,
                "signer": entry.actor,
                "slot": body.get("slot", ""),
                "decision": body.get("decision", ""),
                "method": body.get("method", "password"),
                "in_words": entry.sentence,
                "digest": body["digest"],
                "statement": name,
                "passkey": body.get("passkey"),
            }
        )
    return {**files, "signatures.json": _json(listed)}


def twin(files: Mapping[str, bytes]) -> bytes:
    """The page that shows the record without a network and recomputes its hashes in the browser; attachments lie beside it."""
    inside = json.dumps({name: base64.b64encode(files[name]).decode() for name in sorted(files)}).replace(
        "<", "\\u003c"
    )
    page = (OFFLINE / "index.html").read_text(encoding="utf-8")
    return (
        page.replace("{{ script }}", (OFFLINE / "twin.js").read_text(encoding="utf-8"))
        .replace("{{ bundle }}", inside)
        .encode()
    )


def _manifest(subject: str, files: Mapping[str, bytes]) -> bytes:
    lines = [f"{hashlib.sha256(files[name]).hexdigest()}  {name}" for name in sorted(files)]
    text = "\n".join([verifier.FORMAT, subject, *lines]) + "\n"
    return signed(text, signing_key().sign(text)).encode()


def _json(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n"
