"""Starting a rollout: the playbook is pinned with its digests, and from then on only the pin is read."""

from datetime import UTC, date, datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Person
from apps.ledger.chain import append
from apps.metrics.models import Tier
from apps.playbook.guides import Playbook
from apps.playbook.mistakes import PlaybookInvalid
from apps.playbook.validate import current
from apps.rollouts.models import Pin, Rollout, Schedule
from apps.rollouts.pins import in_force
from apps.rollouts.refusals import Refused
from apps.rollouts.schedule import earliest_monday, refuse_day


def start(tier: Tier, name: str, by: Person, first_monday: date | None = None) -> Rollout:
    """
    Start a rollout on a tier along the playbook as it is now.

    Its first week begins at `first_monday`, or as soon as the preparation allows.

    Raises:
        Refused: the playbook has mistakes (the first one is named), the tier has a rollout of this name, or it cannot begin on that day.
    """
    first_monday = first_monday or earliest_monday(tier)
    refuse_day(tier, first_monday)
    try:
        frozen = current().bundle
    except PlaybookInvalid as error:
        text = _("The playbook has %(count)d mistakes; the first: %(first)s Run `manage.py playbook check`.")
        raise Refused(text % {"count": len(error.mistakes), "first": error.mistakes[0]}) from error
    now = datetime.now(UTC)
    try:
        with transaction.atomic():
            pin, _made = Pin.objects.get_or_create(
                digest=frozen.digest, defaults={"data": frozen.data, "files": dict(frozen.files)}
            )
            rollout = Rollout.objects.create(tier=tier, pin=pin, name=name, started_by=by, started_at=now)
            Schedule.objects.create(rollout=rollout, first_monday=first_monday, by=by, at=now)
            append(
                kind="rollout.start",
                subject=f"rollout/{rollout.pk}",
                actor=by.username,
                body={
                    "name": name,
                    "playbook": frozen.digest,
                    "files": dict(frozen.files),
                    "first_monday": first_monday.isoformat(),
                },
                tier=tier.slug,
            )
    except IntegrityError as error:
        text = _("This tier already has a rollout named %(name)s. Choose another name.")
        raise Refused(text % {"name": name}, status=409) from error
    return rollout


def playbook_of(rollout: Rollout) -> Playbook:
    """What this rollout follows: its pin, with the weeks that were amended. Raises BundleInvalid when a pin was changed."""
    return in_force(rollout).playbook
