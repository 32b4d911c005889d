"""From an address to a rollout, its week, its item; and the tier that a route's policy is judged on."""

from django.http import Http404
from django.shortcuts import get_object_or_404

from apps.playbook.plan import Item
from apps.rollouts.models import Rollout
from apps.rollouts.progress import Progress, Slot, progress


def tier_of(rollout: int, **_rest: object) -> str:
    """The slug of a rollout's tier; raises Http404 when there is no such rollout."""
    found = Rollout.objects.filter(pk=rollout).values_list("tier__slug", flat=True).first()
    if found is None:
        raise Http404
    return found


def the_rollout(pk: int) -> Rollout:
    """The rollout with its tier, pin and starter; raises Http404."""
    return get_object_or_404(Rollout.objects.select_related("tier", "pin", "started_by"), pk=pk)


def the_week(rollout: Rollout, slug: str) -> Progress:
    """A week as it stands; raises Http404."""
    for at in progress(rollout):
        if at.week.slug == slug:
            return at
    raise Http404


def the_item(at: Progress, slug: str) -> Item:
    """An item of a week; raises Http404."""
    try:
        return at.week.item(slug)
    except KeyError as error:
        raise Http404 from error


def the_slot(at: Progress, slug: str) -> Slot:
    """A sign-off slot of a week; raises Http404."""
    for slot in at.slots:
        if slot.off.slug == slug:
            return slot
    raise Http404
