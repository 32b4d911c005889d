"""What goes into the evidence bundle of a rollout or of one of its weeks, besides the ledger's own."""

from django.utils.translation import gettext as _

from apps.ledger.bundle import Contents, build
from apps.playbook.plan import Week
from apps.rollouts.models import Rollout


def bundle(rollout: Rollout, week: Week | None = None) -> bytes:
    """
    The ZIP file of a rollout, or of one week: entries, statements, signatures, the pinned playbook, proofs, a verifier.

    Raises:
        NotSigned: the ledger cannot be signed at present, so nothing would be proved.
    """
    subject, title = f"rollout/{rollout.pk}", _("Rollout “%(name)s”") % {"name": rollout.name}
    if week is not None:
        subject, title = f"{subject}/{week.slug}", f"{week.title}, {title}"
    return build(Contents(title, subject, pin=bytes(rollout.pin.data), pin_digest=rollout.pin.digest))
