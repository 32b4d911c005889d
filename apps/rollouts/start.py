"""Starting a rollout: the playbook is pinned with its digests, and from then on only the pin is read."""

from datetime import UTC, datetime
from functools import lru_cache

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Person
from apps.ledger.chain import append
from apps.metrics.models import Tier
from apps.playbook.guides import Playbook
from apps.playbook.mistakes import PlaybookInvalid
from apps.playbook.pin import bundle, from_bundle
from apps.playbook.validate import load
from apps.rollouts.models import Pin, Rollout
from apps.rollouts.refusals import Refused


def start(tier: Tier, name: str, by: Person) -> Rollout:
    """
    Start a rollout on a tier along the playbook as it is now.

    Raises:
        Refused: the playbook has mistakes (the first one is named), or the tier has a rollout of this name.
    """
    try:
        frozen = bundle(load(settings.PLAYBOOK))
    except PlaybookInvalid as error:
        text = _("The playbook has %(count)d mistakes; the first: %(first)s Run `manage.py playbook check`.")
        raise Refused(text % {"count": len(error.mistakes), "first": error.mistakes[0]}) from error
    try:
        with transaction.atomic():
            pin, _made = Pin.objects.get_or_create(
                digest=frozen.digest, defaults={"data": frozen.data, "files": dict(frozen.files)}
            )
            rollout = Rollout.objects.create(tier=tier, pin=pin, name=name, started_by=by, started_at=datetime.now(UTC))
            append(
                kind="rollout.start",
                subject=f"rollout/{rollout.pk}",
                actor=by.username,
                body={"name": name, "playbook": frozen.digest, "files": dict(frozen.files)},
                tier=tier.slug,
            )
    except IntegrityError as error:
        text = _("This tier already has a rollout named %(name)s. Choose another name.")
        raise Refused(text % {"name": name}, status=409) from error
    return rollout


def playbook_of(rollout: Rollout) -> Playbook:
    """What this rollout follows: its pin, verified against its digest. Raises BundleInvalid when it was changed."""
    return _read(Pin.objects.values_list("digest", flat=True).get(pk=rollout.pin_id))


@lru_cache(maxsize=16)
def _read(digest: str) -> Playbook:
    # Kept by digest and never by key: after a restored dump the same key may name another pin.
    pin = Pin.objects.get(digest=digest)
    return from_bundle(bytes(pin.data), pin.digest)
