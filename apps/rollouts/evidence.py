"""What goes into the evidence bundle of a rollout or of one of its weeks, besides the ledger's own."""

from collections.abc import Iterator, Mapping, Sequence
from typing import IO

from django.utils.translation import gettext as _

from apps.ledger.bundle import Contents, build, recorded
from apps.ledger.models import Entry
from apps.playbook.plan import Week
from apps.rollouts.models import Pin, Rollout, StoredFile

ATTACHING = {"rollout.tick", "rollout.read", "rollout.propose", "rollout.issue"}


def bundle(rollout: Rollout, week: Week | None = None) -> IO[bytes]:
    """
    The ZIP file of a rollout, or of one week: entries, statements, signatures, the pinned playbooks, proofs, a verifier. Who takes it
    closes it.

    Raises:
        NotSigned: the ledger cannot be signed at present, so nothing would be proved.
    """
    subject, title = f"rollout/{rollout.pk}", _("Rollout “%(name)s”") % {"name": rollout.name}
    if week is not None:
        subject, title = f"{subject}/{week.slug}", f"{week.title}, {title}"
    own, found = rollout.pin, recorded(subject)
    files, amended = Attached(found.entries), _amended(found.entries)
    return build(Contents(title, subject, bytes(own.data), own.digest, files, amended), found)


def _amended(entries: Sequence[Entry]) -> dict[str, bytes]:
    """The playbooks that entries adopt: those in force and those that were before, as signatures name both."""
    named = {entry.content["playbook"] for entry in entries if entry.kind == "rollout.amend"}
    return {pin.digest: bytes(pin.data) for pin in Pin.objects.filter(digest__in=named)}


class Attached(Mapping[str, bytes]):
    """The attached files that entries name, by digest and the ending each was first sent with; read when asked for."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        bodies = (entry.content for entry in entries if entry.kind in ATTACHING)
        said: dict[str, str] = {}
        for file in (file for body in bodies for file in body.get("files", ())):
            said.setdefault(file["sha256"], file["name"])
        kept = StoredFile.objects.filter(pk__in=list(said)).order_by("pk").values_list("pk", flat=True)
        self._digests = {f"{digest}.{said[digest].rpartition('.')[2].lower()}": digest for digest in kept}

    def __getitem__(self, name: str) -> bytes:
        return bytes(StoredFile.objects.get(pk=self._digests[name]).data)

    def __iter__(self) -> Iterator[str]:
        return iter(self._digests)

    def __len__(self) -> int:
        return len(self._digests)
