"""Files attached to a tick or an issue: judged by their bytes, kept once by their digest, in the transaction of what they belong to."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _

from apps.rollouts.models import Issue, Proposal, Reading, Rollout, StoredFile, Tick
from apps.rollouts.refusals import Refused

AT_ONCE = 5
"""How many files one tick or one issue takes."""
NAME_LENGTH = 120
SIGNATURES: Mapping[bytes, tuple[str, tuple[str, ...]]] = {
    b"\x89PNG\r\n\x1a\n": ("image/png", (".png",)),
    b"\xff\xd8\xff": ("image/jpeg", (".jpg", ".jpeg")),
    b"%PDF-": ("application/pdf", (".pdf",)),
}
TEXTS: Mapping[str, str] = {".txt": "text/plain", ".log": "text/plain", ".csv": "text/csv", ".json": "application/json"}
ENDINGS = (*(ending for _kind, endings in SIGNATURES.values() for ending in endings), *TEXTS)


@dataclass(frozen=True, slots=True)
class Upload:
    """One file that was sent and may be kept."""

    name: str
    kind: str
    data: bytes

    @property
    def digest(self) -> str:
        """SHA-256 of its bytes, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def said(self) -> dict[str, Any]:
        """What evidence, ledger and statement say of it."""
        return {"name": self.name, "sha256": self.digest, "bytes": len(self.data), "type": self.kind}


class TooMuch(FileUploadHandler):
    """Refuses a request whose body cannot be within the limits before any of it is read. Raises RequestDataTooBig (400)."""

    def handle_raw_input(
        self,
        input_data: Any,  # noqa: ARG002
        META: Any,  # noqa: ARG002, N803  Django's name
        content_length: int,
        boundary: str,  # noqa: ARG002
        encoding: str | None = None,  # noqa: ARG002
    ) -> None:
        """Called with the whole request's length, before its parts."""
        if content_length > settings.FILE_MAX_BYTES * AT_ONCE + settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise RequestDataTooBig("The files are larger together than one request may be.")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:  # noqa: ARG002
        """Leaves the bytes to the next handler."""
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Leaves the file to the next handler."""


def uploads(sent: Sequence[UploadedFile[Any]]) -> tuple[Upload, ...]:
    """
    The files of a form, ready to be kept.

    Raises:
        Refused: there are too many, one is empty or too large, or its bytes are not what its name says.
    """
    if len(sent) > AT_ONCE:
        raise Refused(_("Attach at most %(n)d files at once. Nothing was kept.") % {"n": AT_ONCE})
    return tuple(_upload(one) for one in sent)


def _upload(sent: UploadedFile[Any]) -> Upload:
    name = plain(sent.name or "")
    if (sent.size or 0) > settings.FILE_MAX_BYTES:
        told = {"name": name, "most": filesizeformat(settings.FILE_MAX_BYTES)}
        raise Refused(_("%(name)s is larger than %(most)s. Attach the part that matters, or where it is kept.") % told)
    data = sent.read()
    if not data:
        raise Refused(_("%(name)s is empty. Choose the file again.") % {"name": name})
    kind = kind_of(name, data)
    if kind is None:
        told = {"name": name, "endings": ", ".join(ENDINGS)}
        raise Refused(_("%(name)s is none of the files that are kept (%(endings)s), or not what its name says.") % told)
    return Upload(name, kind, data)


def plain(name: str) -> str:
    r"""
    A file's name without folders and without characters that do not print, at most 120 long with its ending kept.

    >>> plain("C:\\shots\\a\u202egnp.png"), plain("../../etc/x.log")
    ('agnp.png', 'x.log')
    >>> len(plain("x" * 300 + ".png")), plain("")
    (120, 'file')
    """
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    shown = "".join(c for c in last if c.isprintable()).strip() or "file"
    stem, dot, ending = shown.rpartition(".")
    return shown if len(shown) <= NAME_LENGTH else f"{stem[: NAME_LENGTH - len(ending) - 1]}{dot}{ending}"[:NAME_LENGTH]


def kind_of(name: str, data: bytes) -> str | None:
    """
    The media type that name and bytes agree on; None where they do not, or for a type that is not kept.

    >>> kind_of("a.png", b"\\x89PNG\\r\\n\\x1a\\n..."), kind_of("a.png", b"<html>"), kind_of("a.csv", b"x,y")
    ('image/png', None, 'text/csv')
    """
    ending = "." + name.lower().rpartition(".")[2]
    for start, (kind, endings) in SIGNATURES.items():
        if data.startswith(start):
            return kind if ending in endings else None
    if ending not in TEXTS or b"\0" in data:
        return None
    try:
        data.decode()
    except UnicodeDecodeError:
        return None
    return TEXTS[ending]


def keep_files(rollout: Rollout, files: Iterable[Upload]) -> list[dict[str, Any]]:
    """
    Keep files that are not kept yet, in the caller's transaction; returns what is said of each.

    Raises:
        Refused: the files of the rollout would together be larger than OPSPORTAL_FILES_TOTAL_BYTES.
    """
    said = {upload.digest: upload for upload in files}
    if said:
        _refuse_too_much(rollout, said)
    StoredFile.objects.bulk_create(
        [StoredFile(digest=digest, data=upload.data) for digest, upload in said.items()], ignore_conflicts=True
    )
    return [upload.said for upload in said.values()]


def _refuse_too_much(rollout: Rollout, new: Mapping[str, Upload]) -> None:
    there = {digest: file["bytes"] for digest, file in attached_to(rollout).items()}
    whole = sum((there | {digest: len(upload.data) for digest, upload in new.items()}).values())
    if whole > settings.FILES_TOTAL_BYTES:
        told = {"most": filesizeformat(settings.FILES_TOTAL_BYTES)}
        raise Refused(
            _("The files of this rollout would be larger than %(most)s together. Say where it is kept.") % told
        )


def attached_to(rollout: Rollout, week: str = "") -> dict[str, dict[str, Any]]:
    """By digest, what is said of each file that was attached in a rollout or one of its weeks; what was taken back is among them."""
    wanted = {"rollout": rollout} | ({"week": week} if week else {})
    kept = [
        found
        for of in (Tick, Reading, Proposal, Issue)
        for found in of.objects.filter(**wanted).exclude(files=[]).values_list("at", "files")
    ]
    said: dict[str, dict[str, Any]] = {}
    for _at, files in sorted(kept, key=lambda found: found[0]):
        for file in files:
            said.setdefault(file["sha256"], file)  # whoever attaches the same bytes later renames nobody's
    return said
