#!/usr/bin/env python3
"""Verifies an evidence bundle of opsportal, without the portal: `python3 verify.py bundle.zip`.

Needs Python 3.10 or newer and, for signatures, the package `cryptography`. It says in sentences what it proved, what it could
not prove and what is broken. Exit status: 0 when everything that the bundle can prove is proved, 1 when anything is broken, 2 when
a key or file that was given cannot be read, 3 when nothing is broken but the ledger's signatures could not be checked: then it is not
known who wrote the bundle.

It is longer than our other modules because it has to be one file that an auditor can read from top to bottom: first the hashes, then notes
and keys, then one function a claim.

Keys that you got from elsewhere than the bundle make it mean something: --ledger-key, --witness-key, --checkpoint.
"""

import argparse
import base64
import hashlib
import io
import json
import re
import struct
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:  # hashes, links and proofs are checked all the same
    SIGNATURES = False
else:
    SIGNATURES = True

FORMAT = "opsportal.ledger/bundle/1"
DOMAIN = b"opsportal.ledger/entry/1"
LOG, WITNESS = 0x01, 0x04  # C2SP: Ed25519 signature of a log, timestamped Ed25519 cosignature of a witness
REQUIRED = (
    "about.json",
    "checkpoint.txt",
    "consistency.json",
    "entries.jsonl",
    "keys.json",
    "proofs.json",
    "signatures.json",
)
MANIFEST = "manifest.txt"
PROGRAMS = ("index.html", "verify.py")
SAID_IN = re.compile(rb'<script type="application/json" id="bundle">(.*?)</script>', re.DOTALL)


class BrokenClaim(Exception):
    """Something in the bundle is not what it says it is; the message is a sentence for a person."""


class Unchecked(Exception):
    """Something cannot be checked here; the message says what and why."""


class Unsigned(Unchecked):
    """A signature of the ledger or its witness cannot be checked here, so it is not known who wrote what it stands under."""


# Hashes: RFC 6962.


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf: SHA-256(0x00 ‖ data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two neighbours: SHA-256(0x01 ‖ left ‖ right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_by_path(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """The root that an inclusion path leads to (RFC 9162, 2.1.3.2). Raises BrokenClaim for a path of the wrong length."""
    if not 0 <= index < size:
        raise BrokenClaim(f"there is no entry {index + 1} in a ledger of {size}")
    place, last, reached = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise BrokenClaim("its inclusion path is too long")
        if place & 1 or place == last:
            reached = node_hash(sibling, reached)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            reached = node_hash(reached, sibling)
        place, last = place >> 1, last >> 1
    if last:
        raise BrokenClaim("its inclusion path is too short")
    return reached


def consistent(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the tree of `new` leaves begins with the tree of `old` leaves (RFC 9162, 2.1.4.2)."""
    if old > new or old < 0:
        return False
    if old in {0, new}:
        return not path and (old == 0 or old_root == new_root)
    hops = list(path)
    if old & (old - 1) == 0:
        hops.insert(0, old_root)
    if not hops:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = hops[0]
    for hop in hops[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = node_hash(hop, first), node_hash(hop, second)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, hop)
        place, last = place >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


# Notes and keys: C2SP signed-note, tlog-checkpoint, tlog-cosignature.


@dataclass(frozen=True, slots=True)
class Key:
    """A public key as it is handed on: `<name>+<id>+<base64 of kind and key>`."""

    name: str
    kind: int
    public: bytes

    @property
    def id(self) -> bytes:
        """Four bytes: SHA-256(name ‖ newline ‖ kind ‖ key), cut."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{base64.b64encode(bytes([self.kind]) + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Raises ValueError, with the remedy, for anything else than such a line."""
        found = re.fullmatch(r"([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)", text.strip())
        data = base64.b64decode(found[3], validate=True) if found else b""
        if found is None or len(data) != 33 or data[0] not in {LOG, WITNESS}:
            raise ValueError(f"{text[:80]!r} is no public key. It looks like ops.example.org/ledger+1a2b3c4d+AS….")
        key = cls(found[1], data[0], data[1:])
        if key.id.hex() != found[2]:
            raise ValueError(f"The public key of {key.name} has a typing mistake: its id does not fit.")
        return key


@dataclass(frozen=True, slots=True)
class Note:
    """A signed note: a text that ends with a newline, and lines `— <name> <base64 of id and signature>`."""

    text: str
    lines: tuple[tuple[str, bytes, bytes], ...]

    @classmethod
    def parse(cls, data: bytes) -> "Note":
        """Raises ValueError for what is no signed note."""
        body, gap, signatures = data.decode("utf-8").rpartition("\n\n")
        lines = signatures.removesuffix("\n").split("\n")
        found = [re.fullmatch(r"— ([^+\s]+) ([A-Za-z0-9+/]+=*)", line) for line in lines]
        if not gap or not signatures.endswith("\n") or not all(found):
            raise ValueError("it is no signed note: a text, an empty line, and signatures that begin with a dash")
        blobs = [(one[1], base64.b64decode(one[2], validate=True)) for one in found if one]
        for (_name, blob), one in zip(blobs, found, strict=True):
            if one is None or len(blob) < 5 or base64.b64encode(blob).decode() != one[2]:
                raise ValueError("a signature in it is no base64, or too short")
        return cls(body + "\n", tuple((name, blob[:4], blob[4:]) for name, blob in blobs))

    def signed_at(self, key: Key) -> int | None:
        """
        Check the key's signature: seconds since 1970 for a witness, None for a log.

        Raises:
            BrokenClaim: the note has no signature of this key, or it is wrong.
            Unsigned: the package `cryptography` is not there.
        """
        mine = [blob for name, key_id, blob in self.lines if name == key.name and key_id == key.id]
        if not mine:
            raise BrokenClaim(f"it bears no signature of {key.name} ({key.id.hex()})")
        if not SIGNATURES:
            raise Unsigned("the package cryptography is not installed, so no signature was checked")
        return _signed_at(key, mine[0], self.text)


def _signed_at(key: Key, blob: bytes, text: str) -> int | None:
    at, message, signature = None, text.encode(), blob
    if key.kind == WITNESS:
        if len(blob) != 72:
            raise BrokenClaim(f"the cosignature of {key.name} has the wrong length")
        at, signature = int.from_bytes(blob[:8], "big"), blob[8:]
        message = b"cosignature/v1\ntime %d\n" % at + message
    if not ed25519(key.public, signature, message):
        raise BrokenClaim(f"the signature of {key.name} is wrong: the text or the signature was changed")
    return at


def ed25519(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether this is the key's signature over the message; needs the package `cryptography`."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):  # ValueError: no point of the curve
        return False
    return True


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a ledger says it was: its name, how many entries, their root, and when (seconds since 1970)."""

    origin: str
    size: int
    root: bytes
    time: int

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """From a note's text. Raises ValueError for what is no checkpoint."""
        found = re.fullmatch(r"([^\n]+)\n(0|[1-9]\d{0,17})\n([A-Za-z0-9+/]{43}=)\ntime (\d{1,12})\n", text)
        if not found:
            raise ValueError("it is no checkpoint: name, number of entries, root and time, a line each")
        return cls(found[1], int(found[2]), base64.b64decode(found[3]), int(found[4]))

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\ntime {self.time}\n"


# Entries.


def exact(entry: Mapping[str, Any]) -> bytes:
    """The bytes of an entry that are hashed: a list of netstrings (`<length>:<bytes>,`)."""
    texts = [str(entry[name]).encode() for name in ("seq", "at", "actor", "kind", "subject", "tier")]
    parts = (DOMAIN, *texts, bytes.fromhex(entry["prev_hash"]), entry["body"].encode())
    return b"".join(b"%d:%b," % (len(part), part) for part in parts)


# The bundle.


def pack_into(target: IO[bytes], files: Mapping[str, bytes]) -> None:
    """Write a ZIP file that is the same whenever and wherever it is made: names in order, no compression, no dates, no attributes.

    One file is asked for at a time, so a mapping that reads them when asked never holds two.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            member = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            member.create_system, member.external_attr = 3, 0o644 << 16
            archive.writestr(member, files[name])


def pack(files: Mapping[str, bytes]) -> bytes:
    """The same in memory."""
    target = io.BytesIO()
    pack_into(target, files)
    return target.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """The files of a bundle, without asking the ZIP's own checksums: the claims are to say what was changed."""
    files: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            names, extra = struct.unpack_from("<HH", data, member.header_offset + 26)
            start = member.header_offset + 30 + names + extra
            if member.filename in files:
                raise BrokenClaim(f"The file: it holds {member.filename} twice.")
            files[member.filename] = data[start : start + member.file_size]
    return files


@dataclass(frozen=True, slots=True)
class Held:
    """What the reader holds from elsewhere: keys, and a checkpoint that was kept off the portal's host."""

    ledger_key: Key | None = None
    witness_key: Key | None = None
    checkpoint: bytes | None = None


@dataclass(slots=True)
class Report:
    """What was proved, what could not be, and what is broken, in sentences."""

    title: str = "An evidence bundle"
    proved: list[str] = field(default_factory=list)
    unproved: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    unsigned: bool = False

    @property
    def status(self) -> int:
        """The exit status: 1 for broken, 3 where the ledger's signatures could not be checked, else 0."""
        return 1 if self.broken else 3 if self.unsigned else 0

    @property
    def verdict(self) -> str:
        """The last sentence."""
        return {
            0: "Nothing in this bundle is broken.",
            1: "This bundle is broken. Do not rely on it.",
            3: "Nothing was proved about who wrote this bundle, for no signature was checked: its parts fit each other, as those of a "
            "forged one can. Install the Python package cryptography and run this again before you rely on it.",
        }[self.status]

    def text(self) -> str:
        """For a terminal: nothing in it can steer one."""
        parts = [self.title]
        for head, mark, lines in (
            ("Proved", "+", self.proved),
            ("Not proved", "?", self.unproved),
            ("BROKEN", "!", self.broken),
        ):
            parts += ["", f"{head}:", *(f"  {mark} {line}" for line in lines)] if lines else []
        text = "\n".join([*parts, "", self.verdict])
        return "".join(char if char.isprintable() or char == "\n" else f"\\u{ord(char):04x}" for char in text)


class Bundle:
    """An evidence bundle under examination: every claim is one method, and says itself how it ended."""

    def __init__(self, data: bytes, held: Held | None = None) -> None:
        self.data, self.held, self.report = data, held or Held(), Report()
        self.files: dict[str, bytes] = {}
        self.ledger = self.witness = None  # type: Key | None
        self.checkpoint: Checkpoint | None = None
        self.witnessed: Checkpoint | None = None
        self.entries: list[dict[str, Any]] = []

    def verify(self) -> Report:
        """Examine every claim; one that cannot even be read is broken, and the others are examined all the same."""
        try:
            self.files = unpack(self.data)
        except BrokenClaim as error:
            self.report.broken.append(str(error))
        except (zipfile.BadZipFile, struct.error, UnicodeError, ValueError, NotImplementedError, EOFError) as error:
            self.report.broken.append(f"The file: it is no readable ZIP ({error}).")
        else:
            for name, claim in self._claims():
                self._examine(name, claim)
        return self.report

    def _claims(self) -> Iterator[tuple[str, Callable[[], Iterable[str]]]]:
        yield "The file", self._container
        yield "The keys", self._keys
        yield "The checkpoint", self._checkpoint
        yield "The witness", self._witness
        yield "The entries", self._entries
        yield "The signatures", self._signatures
        yield "The pinned playbook", self._pin
        yield "The amendments", self._amended
        yield "The attachments", self._attachments
        yield "The page index.html", self._twin
        yield "The manifest", self._manifest
        yield "Your own checkpoint", self._kept

    def _examine(self, name: str, claim: Callable[[], Iterable[str]]) -> None:
        try:
            self.report.proved += claim()
        except Unchecked as error:
            self.report.unproved.append(f"{name}: {error}.")
            self.report.unsigned |= isinstance(error, Unsigned)
        except BrokenClaim as error:
            self.report.broken.append(f"{name}: {error}.")
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
            self.report.broken.append(f"{name}: cannot be read ({type(error).__name__}: {error}).")

    def _container(self) -> Iterator[str]:
        about = json.loads(self.files.get("about.json", b"{}"))
        self.report.title = f"{about.get('title')} ({about.get('subject')}), {about.get('entries')} entries."
        if missing := [name for name in (*REQUIRED, MANIFEST, *PROGRAMS) if name not in self.files]:
            raise BrokenClaim(f"{', '.join(missing)} is missing")
        if about["format"] != FORMAT:
            raise BrokenClaim(f"it is of another format than {FORMAT}; use the verify.py that came with it")
        if pack(self.files) != self.data:
            raise BrokenClaim(
                "it is not the ZIP that the portal wrote: something between its files or in one was changed"
            )
        yield "The ZIP is laid out as the portal writes it, to the last byte."

    def _keys(self) -> Iterator[str]:
        keys = json.loads(self.files["keys.json"])
        inside = Key.parse(keys["ledger"])
        self.ledger = self.held.ledger_key or inside
        self.witness = self.held.witness_key or (Key.parse(keys["witness"]) if keys["witness"] else None)
        if self.ledger.kind != LOG or (self.witness and self.witness.kind != WITNESS):
            raise BrokenClaim("a key is not of the kind that it is used as")
        if self.held.ledger_key and inside != self.held.ledger_key:
            raise BrokenClaim(
                f"the ledger's key inside ({inside}) is not the one you gave: it was swapped, or is another portal's"
            )
        if self.held.witness_key and keys["witness"] not in {None, str(self.held.witness_key)}:
            raise BrokenClaim("the witness's key inside is not the one you gave: it was swapped")
        if self.held.ledger_key is None:
            self.report.unproved.append(
                f"Who made this bundle: no --ledger-key was given, so the key inside was used ({inside}). Whoever can make a whole "
                "bundle can put their own key in it; compare it with one that you got in another way."
            )
        else:
            yield "The ledger's key is the one you gave."

    def _checkpoint(self) -> Iterator[str]:
        note = Note.parse(self.files["checkpoint.txt"])
        self.checkpoint = Checkpoint.parse(note.text)
        if self.ledger is None:
            raise BrokenClaim("there is no key to check it with")
        if self.checkpoint.origin != self.ledger.name:
            raise BrokenClaim(f"it is of the ledger {self.checkpoint.origin}, the key of {self.ledger.name}")
        if len(note.lines) != 1:
            raise BrokenClaim("it bears other signatures than the ledger's")
        note.signed_at(self.ledger)
        yield f"The checkpoint over {self.checkpoint.size} entries was signed by {self.ledger.name}."

    def _witness(self) -> Iterator[str]:
        if "witnessed.txt" not in self.files:
            raise Unchecked(
                "no witness has signed; against a rewriting by the portal's own administrators stands only its key"
            )
        if self.witness is None:
            raise BrokenClaim("there is a witnessed checkpoint but no key of a witness")
        if self.ledger is None or self.checkpoint is None:
            raise BrokenClaim("without key and checkpoint it cannot be compared")
        note = Note.parse(self.files["witnessed.txt"])
        seen = Checkpoint.parse(note.text)
        note.signed_at(self.ledger)
        at = note.signed_at(self.witness)
        if len(note.lines) != 2 or seen.origin != self.checkpoint.origin:
            raise BrokenClaim("its checkpoint is another ledger's, or bears other signatures")
        path = [bytes.fromhex(step) for step in json.loads(self.files["consistency.json"])]
        if not consistent(seen.size, self.checkpoint.size, seen.root, self.checkpoint.root, path):
            raise BrokenClaim(
                f"the ledger of {self.checkpoint.size} entries does not continue the one of {seen.size} that was witnessed"
            )
        self.witnessed = seen
        yield f"The first {seen.size} entries were witnessed by {self.witness.name} at {_moment(at or 0)}, and the ledger continues them."
        if self.held.witness_key is None:
            self.report.unproved.append(
                "That the witness is independent: no --witness-key was given, so the key inside was used."
            )

    def _entries(self) -> Iterator[str]:
        about, proofs = json.loads(self.files["about.json"]), json.loads(self.files["proofs.json"])
        self.entries = [json.loads(line) for line in self.files["entries.jsonl"].decode().splitlines()]
        before: dict[str, Any] | None = None
        for entry in self.entries:
            self._entry(entry, before, proofs)
            before = entry
        found = [entry["seq"] for entry in self.entries]
        if sorted(map(int, proofs)) != found or about["entries"] != len(found):
            raise BrokenClaim(
                f"{about['entries']} were put in with {len(proofs)} proofs, {len(found)} are there: one was dropped or added"
            )
        if bad := [e["seq"] for e in self.entries if not _within(e["subject"], about["subject"])]:
            raise BrokenClaim(f"entry {bad[0]} is not about {about['subject']}")
        entries = (
            "1 entry is exactly as it was" if len(found) == 1 else f"{len(found)} entries are exactly as they were"
        )
        yield f"{entries} recorded, each in its place under the checkpoint's root."
        late = [seq for seq in found if self.witnessed and seq > self.witnessed.size]
        if late:
            self.report.unproved.append(
                f"Entries from {late[0]} on are newer than what the witness saw ({len(late)} of them)."
            )
        self.report.unproved.append(
            f"That no entry about {about['subject']} was left out: the portal says so in the signed manifest; a proof would need the "
            "whole ledger (`manage.py ledger verify` on its host)."
        )

    def _entry(self, entry: dict[str, Any], before: dict[str, Any] | None, proofs: Mapping[str, list[str]]) -> None:
        seq = entry["seq"]
        if before and seq <= before["seq"]:
            raise BrokenClaim(f"entry {seq} stands after entry {before['seq']}: one was doubled or moved")
        leaf = leaf_hash(exact(entry))
        if leaf.hex() != entry["hash"]:
            raise BrokenClaim(f"entry {seq} is not what was hashed when it was recorded")
        if before and before["seq"] == seq - 1 and entry["prev_hash"] != before["hash"]:
            raise BrokenClaim(f"entry {seq} links to another entry {seq - 1} than the one here")
        if self.checkpoint is None:
            raise BrokenClaim("there is no checkpoint to compare them with")
        if str(seq) not in proofs:
            raise BrokenClaim(f"entry {seq} has no inclusion path: it was added")
        try:
            reached = root_by_path(
                seq - 1, self.checkpoint.size, leaf, [bytes.fromhex(step) for step in proofs[str(seq)]]
            )
        except BrokenClaim as error:
            raise BrokenClaim(f"entry {seq}: {error}") from None
        if reached != self.checkpoint.root:
            raise BrokenClaim(f"entry {seq} is not in the ledger under this checkpoint: its path leads to another root")

    def _signatures(self) -> Iterator[str]:
        bodies = {entry["seq"]: json.loads(entry["body"]) for entry in self.entries}
        recorded = [seq for seq, body in bodies.items() if isinstance(body.get("statement"), str) and "digest" in body]
        listed = json.loads(self.files["signatures.json"])
        if [one["entry"] for one in listed] != recorded:
            raise BrokenClaim(
                "signatures and the entries that record them do not fit: one was dropped, doubled or added"
            )
        for one, entry in zip(listed, (e for e in self.entries if e["seq"] in recorded), strict=True):
            yield self._signature(one, bodies[one["entry"]], entry)
        if {name for name in self.files if name.startswith("statements/")} != {one["statement"] for one in listed}:
            raise BrokenClaim("there are statements that no signature is over")

    def _signature(self, one: Mapping[str, Any], body: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
        said, words = self.files[one["statement"]], f"{one['in_words']} (entry {one['entry']})"
        digest = hashlib.sha256(said).hexdigest()
        if said != body["statement"].encode() or digest != body["digest"] or digest != one["digest"]:
            raise BrokenClaim(f"the statement under entry {one['entry']} is not the one that was signed")
        shown = (one["signer"], one["slot"], one["decision"], one["passkey"])
        if shown != (entry["actor"], body.get("slot", ""), body.get("decision", ""), body.get("passkey")):
            raise BrokenClaim(f"the signature of entry {one['entry']} is not as it was recorded")
        if one["passkey"] is None:
            self.report.unproved.append(
                f"{words}: server-attested. The portal says that it knew {one['signer']}; only it can."
            )
            return f"{words}: the statement is the recorded one, byte for byte."
        try:
            _assertion(one["passkey"], said)
        except BrokenClaim as error:
            raise BrokenClaim(f"the signature of entry {one['entry']}: {error}") from None
        except Unchecked as error:  # of this one only: whatever stands behind it is examined all the same
            self.report.unproved.append(f"{words}: {error}.")
            return f"{words}: the statement is the recorded one, byte for byte."
        self.report.unproved.append(
            f"That the passkey used in entry {one['entry']} is {one['signer']}'s: the portal enrolled it and says so."
        )
        return f"{words}: made with a passkey over exactly this statement."

    def _pin(self) -> Iterator[str]:
        if "pin.json" not in self.files:
            raise Unchecked("there is none in this bundle")
        pinned = json.loads(self.files["about.json"])["pin"]
        if not _is_playbook(self.files["pin.json"], pinned):
            raise BrokenClaim("the playbook is not the one that was pinned")
        named = [
            e["seq"]
            for e in self.entries
            if pinned in (json.loads(e["body"]).get("playbook"), _covered(e).get("playbook"))
        ]
        if not named:
            raise Unchecked("no entry in this bundle names its digest, so it is only in the signed manifest")
        yield f"The playbook is the one that entry {named[0]} names."

    def _amended(self) -> Iterator[str]:
        adopted = {e["seq"]: json.loads(e["body"])["playbook"] for e in self.entries if e["kind"] == "rollout.amend"}
        found = {name.split("/")[1].partition(".")[0]: name for name in self.files if name.startswith("pins/")}
        for digest, name in found.items():
            if not _is_playbook(self.files[name], digest):
                raise BrokenClaim(f"{name} is not the playbook that was adopted")
            if digest not in adopted.values():
                raise BrokenClaim(f"{name} is named by no entry: it was added")
        if lost := [seq for seq, digest in adopted.items() if digest not in found]:
            raise BrokenClaim(f"the playbook that entry {lost[0]} adopts is missing")
        known = {json.loads(self.files["about.json"])["pin"], *found}
        signed = {e["seq"]: _covered(e).get("playbook") for e in self.entries}
        if foreign := [seq for seq, digest in signed.items() if adopted and digest and digest not in known]:
            raise BrokenClaim(f"the playbook that entry {foreign[0]} signs is not in this bundle")
        if adopted:
            yield f"The playbooks adopted later ({len(found)}) are those that entries name; each signature is over one that is here."

    def _attachments(self) -> Iterator[str]:
        found = [name for name in self.files if name.startswith("attachments/")]
        bodies = " ".join(entry["body"] for entry in self.entries)
        for name in found:
            digest = hashlib.sha256(self.files[name]).hexdigest()
            if name.split("/")[1].partition(".")[0] != digest:
                raise BrokenClaim(f"{name} is not the file that was attached")
            if digest not in bodies:
                raise BrokenClaim(f"{name} is named by no entry: it was added")
        if found:
            yield f"{len(found)} attachments have the digests that entries name."

    def _twin(self) -> Iterator[str]:
        found = SAID_IN.search(self.files["index.html"])
        inside = json.loads(found[1]) if found else {}
        expected = {name: data for name, data in self.files.items() if self._on_page(name)}
        if {name: base64.b64decode(data) for name, data in inside.items()} != expected:
            raise BrokenClaim("what it shows is not what the other files hold")
        yield "The page index.html holds the same files."

    @staticmethod
    def _on_page(name: str) -> bool:
        """Attachments may be large; they lie beside the page."""
        return name not in {*PROGRAMS, MANIFEST} and not name.startswith("attachments/")

    def _manifest(self) -> Iterator[str]:
        note = Note.parse(self.files[MANIFEST])
        head, *lines = note.text.removesuffix("\n").split("\n")
        listed = {name: digest for digest, name in (line.split("  ", 1) for line in lines[1:])}
        about = json.loads(self.files["about.json"])
        if head != FORMAT or lines[0] != about["subject"]:
            raise BrokenClaim("it is of another bundle")
        for name in sorted({*listed, *self.files} - {MANIFEST}):
            if name not in self.files or name not in listed:
                raise BrokenClaim(f"{name} was {'removed' if name in listed else 'added'}")
            if hashlib.sha256(self.files[name]).hexdigest() != listed[name]:
                raise BrokenClaim(f"{name} was changed after the bundle was made")
        if self.ledger is None or len(note.lines) != 1:
            raise BrokenClaim("there is no key to check it with, or it bears other signatures")
        note.signed_at(self.ledger)
        yield f"All {len(listed)} files are those that {self.ledger.name} put into this bundle."

    def _kept(self) -> Iterator[str]:
        if self.held.checkpoint is None:
            return
        note = Note.parse(self.held.checkpoint)
        mine = Checkpoint.parse(note.text)
        if self.ledger is None or self.checkpoint is None:
            raise BrokenClaim("without key and checkpoint it cannot be compared")
        note.signed_at(self.ledger)
        theirs = [one for one in (self.checkpoint, self.witnessed) if one]
        if any(one.size == mine.size and one.root != mine.root for one in theirs):
            raise BrokenClaim(
                f"the ledger of {mine.size} entries in this bundle is another one than yours: it was rewritten"
            )
        if any(one.size < mine.size and one.time > mine.time for one in theirs):
            raise BrokenClaim(
                f"yours knows {mine.size} entries, the bundle was made later and knows fewer: an old dump was restored"
            )
        if not any(one.size == mine.size for one in theirs):
            raise Unchecked("it is of another size than those in the bundle; the portal's witness compares such")
        yield f"The ledger of {mine.size} entries is the one of the checkpoint you kept."


def _within(subject: str, wanted: str) -> bool:
    return subject == wanted or subject.startswith(wanted + "/") or wanted.startswith(subject + "/")


def _is_playbook(data: bytes, digest: str) -> bool:
    """Whether the content in a pinned playbook's bytes has this digest."""
    end = data.rfind(f',"digest":"{digest}","files":'.encode())
    return data.startswith(b'{"content":') and end > 0 and hashlib.sha256(data[11:end]).hexdigest() == digest


def _covered(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the statement in an entry covers; nothing when it holds none."""
    said = json.loads(entry["body"]).get("statement")
    covered: Mapping[str, Any] = json.loads(said).get("covered", {}) if isinstance(said, str) else {}
    return covered


def _moment(seconds: int) -> str:
    from datetime import datetime, timezone  # noqa: PLC0415  only to print

    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")  # noqa: UP017  for Python 3.10


# Passkeys: WebAuthn assertions.


def _assertion(passkey: Mapping[str, str], statement: bytes) -> None:
    """The assertion must be over this statement, with the person verified, by this key. Raises BrokenClaim or Unchecked."""
    made = {
        name: _base64url(passkey[name]) for name in ("authenticator_data", "client_data", "public_key", "signature")
    }
    client = json.loads(made["client_data"])
    challenge = base64.urlsafe_b64encode(hashlib.sha256(statement).digest()).decode().rstrip("=")
    if client["type"] != "webauthn.get" or client["challenge"].rstrip("=") != challenge:
        raise BrokenClaim("the passkey signed something else than this statement")
    if client["origin"] != passkey["origin"] or client.get("crossOrigin"):
        raise BrokenClaim("the passkey signed on another page than the portal's")
    data = made["authenticator_data"]
    if data[:32] != hashlib.sha256(passkey["rp_id"].encode()).digest():
        raise BrokenClaim("the passkey signed for another site")
    if data[32] & 0b101 != 0b101:
        raise BrokenClaim("the person was not verified by their authenticator")
    if not SIGNATURES:
        raise Unchecked("the package cryptography is not installed, so no signature was checked")
    message = data + hashlib.sha256(made["client_data"]).digest()
    try:
        _verify_cose(_cbor_map(made["public_key"]), made["signature"], message)
    except InvalidSignature:
        raise BrokenClaim("the passkey's signature is wrong") from None


def _verify_cose(key: Mapping[int, Any], signature: bytes, message: bytes) -> None:
    algorithm = key[3]
    if algorithm == -7:
        numbers = ec.EllipticCurvePublicNumbers(
            int.from_bytes(key[-2], "big"), int.from_bytes(key[-3], "big"), ec.SECP256R1()
        )
        numbers.public_key().verify(signature, message, ec.ECDSA(hashes.SHA256()))
    elif algorithm == -8:
        Ed25519PublicKey.from_public_bytes(key[-2]).verify(signature, message)
    elif algorithm == -257:
        modulus, exponent = int.from_bytes(key[-1], "big"), int.from_bytes(key[-2], "big")
        rsa.RSAPublicNumbers(exponent, modulus).public_key().verify(
            signature, message, padding.PKCS1v15(), hashes.SHA256()
        )
    else:
        raise Unchecked(f"a passkey's algorithm, {algorithm}, is not known here")


def _cbor_map(data: bytes) -> dict[int, Any]:
    """A COSE key: a CBOR map of whole numbers to whole numbers and byte strings, which is all that is read here."""
    position = 1
    found = {}

    def head() -> tuple[int, int]:
        nonlocal position
        kind, value = data[position] >> 5, data[position] & 31
        position += 1
        if value >= 24:
            length = {24: 1, 25: 2, 26: 4}[value]
            value = int.from_bytes(data[position : position + length], "big")
            position += length
        return kind, value

    def item() -> Any:
        nonlocal position
        kind, value = head()
        if kind in {0, 1}:
            return -1 - value if kind else value
        position += value
        return data[position - value : position]

    for _pair in range(data[0] & 31):
        key = item()
        found[key] = item()
    return found


def _base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def main(words: Sequence[str] | None = None) -> int:
    """The command line; prints the report and returns the exit status."""
    parser = argparse.ArgumentParser(description="Verify an evidence bundle of opsportal without the portal.")
    parser.add_argument("bundle", type=Path, help="the .zip file")
    parser.add_argument("--ledger-key", help="the ledger's public key, as you got it from elsewhere than the bundle")
    parser.add_argument("--witness-key", help="the witness's public key, likewise")
    parser.add_argument("--checkpoint", type=Path, help="a signed checkpoint that you kept or printed")
    given = parser.parse_args(words)
    try:
        ledger, witness = (Key.parse(text) if text else None for text in (given.ledger_key, given.witness_key))
        held = Held(ledger, witness, given.checkpoint.read_bytes() if given.checkpoint else None)
        data = given.bundle.read_bytes()
    except (OSError, ValueError) as error:
        sys.stdout.write(f"{error}\n")
        return 2
    report = Bundle(data, held).verify()
    sys.stdout.write(report.text() + "\n")
    return report.status


if __name__ == "__main__":
    sys.exit(main())
