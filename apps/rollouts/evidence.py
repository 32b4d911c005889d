"""What goes into the evidence bundle of a rollout or of one of its weeks, besides the ledger's own."""

from collections.abc import Iterator, Mapping
from typing import IO

from django.utils.translation import gettext as _

from apps.ledger.bundle import Contents, build
from apps.playbook.plan import Week
from apps.rollouts.attachments import attached_to
from apps.rollouts.models import Pin, Rollout, StoredFile


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
    own, slug = rollout.pin, week.slug if week else ""
    files, amended = Attached(rollout, week), _amended(rollout, slug)
    return build(Contents(title, subject, bytes(own.data), own.digest, files, amended))


def _amended(rollout: Rollout, week: str) -> dict[str, bytes]:
    """The playbooks that were adopted for the week, or for any: those in force and those that were before, as signatures name both."""
    made = rollout.amendments.filter(week=week) if week else rollout.amendments.all()
    return {pin.digest: bytes(pin.data) for pin in Pin.objects.filter(pk__in=made.values("pin"))}


class Attached(Mapping[str, bytes]):
    """The attached files of a rollout or a week by name, digest and the ending it was first sent with; read when asked for."""

    def __init__(self, rollout: Rollout, week: Week | None) -> None:
        said = attached_to(rollout, week.slug if week else "")
        kept = StoredFile.objects.filter(pk__in=list(said)).order_by("pk").values_list("pk", flat=True)
        self._digests = {f"{digest}.{said[digest]['name'].rpartition('.')[2].lower()}": digest for digest in kept}

    def __getitem__(self, name: str) -> bytes:
        return bytes(StoredFile.objects.get(pk=self._digests[name]).data)

    def __iter__(self) -> Iterator[str]:
        return iter(self._digests)

    def __len__(self) -> int:
        return len(self._digests)
