"""What goes into the evidence bundle of a rollout or of one of its weeks, besides the ledger's own."""

from django.utils.translation import gettext as _

from apps.ledger.bundle import Contents, build
from apps.playbook.plan import Week
from apps.rollouts.attachments import attached_to
from apps.rollouts.models import Pin, Rollout, StoredFile


def bundle(rollout: Rollout, week: Week | None = None) -> bytes:
    """
    The ZIP file of a rollout, or of one week: entries, statements, signatures, the pinned playbooks, proofs, a verifier.

    Raises:
        NotSigned: the ledger cannot be signed at present, so nothing would be proved.
    """
    subject, title = f"rollout/{rollout.pk}", _("Rollout “%(name)s”") % {"name": rollout.name}
    if week is not None:
        subject, title = f"{subject}/{week.slug}", f"{week.title}, {title}"
    own, slug = rollout.pin, week.slug if week else ""
    files, amended = _attachments(rollout, week), _amended(rollout, slug)
    return build(Contents(title, subject, bytes(own.data), own.digest, files, amended))


def _amended(rollout: Rollout, week: str) -> dict[str, bytes]:
    """The playbooks that were adopted for the week, or for any: those in force and those that were before, as signatures name both."""
    made = rollout.amendments.filter(week=week) if week else rollout.amendments.all()
    return {pin.digest: bytes(pin.data) for pin in Pin.objects.filter(pk__in=made.values("pin"))}


def _attachments(rollout: Rollout, week: Week | None) -> dict[str, bytes]:
    """The attached files by name: digest, then the ending of the name it was first sent with."""
    said = attached_to(rollout, week.slug if week else "")
    kept = StoredFile.objects.in_bulk(list(said))
    return {
        f"{digest}.{one['name'].rpartition('.')[2].lower()}": bytes(kept[digest].data)
        for digest, one in sorted(said.items())
        if digest in kept
    }
