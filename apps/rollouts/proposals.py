"""Setting a critical item aside: one person says why it does not apply, a second one agrees, which ticks it, or declines."""

from datetime import UTC, datetime

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Person
from apps.playbook.plan import Item
from apps.rollouts.attachments import keep_files
from apps.rollouts.models import Outcome, Proposal, Rollout, Tick
from apps.rollouts.progress import Progress, locked
from apps.rollouts.refusals import Refused
from apps.rollouts.ticks import Proof, enter, keep, lock, taken


def waiting(rollout: Rollout, week: str) -> dict[str, Proposal]:
    """The proposals of a week that wait for a second person, by item: one query."""
    found = Proposal.objects.filter(rollout=rollout, week=week, settled_at=None).select_related("by")
    return {proposal.item: proposal for proposal in found}


def propose(rollout: Rollout, at: Progress, item: Item, proof: Proof, by: Person) -> Proposal:
    """Say why a critical item does not apply (`proof`: note and files); it stays open until a second person agrees. Raises Refused."""
    try:
        with transaction.atomic():
            now = lock(rollout, at, item)
            if item.slug in now.done.ticks:
                raise taken(now.done.ticks[item.slug])
            made = Proposal.objects.create(
                rollout=rollout,
                week=at.week.slug,
                item=item.slug,
                why=proof.note,
                files=keep_files(rollout, proof.files),
                by=by,
                at=datetime.now(UTC),
            )
            files = {"files": made.files} if made.files else {}
            enter(rollout, at, item, "rollout.propose", by, {"why": proof.note, **files})
    except IntegrityError as error:
        raise Refused(_("Somebody else proposed this a moment ago. Agree or decline."), status=409) from error
    return made


def agree(rollout: Rollout, at: Progress, item: Item, by: Person) -> Tick:
    """
    Be the second person: the item is settled as not applicable, with both names.

    Raises:
        Refused: nothing is proposed, it is one's own proposal, or somebody settled it meanwhile.
    """
    with transaction.atomic():
        locked(rollout, at.week.slug)
        found = _proposed(rollout, at, item)
        if found.by_id == by.pk:
            raise Refused(_("You proposed this; another person has to agree."), status=409)
        _settle(found, by, agreed=True)
        proof = Proof(note=found.why, proposed_by=found.by, kept=tuple(found.files))
        return keep(rollout, at, item, by, Outcome.NOT_APPLICABLE, proof)


def decline(rollout: Rollout, at: Progress, item: Item, by: Person) -> None:
    """Turn a proposal down, or take back one's own; the item is open as before. Raises Refused."""
    with transaction.atomic():
        locked(rollout, at.week.slug)
        found = _proposed(rollout, at, item)
        _settle(found, by, agreed=False)
        enter(rollout, at, item, "rollout.decline", by, {"why": found.why, "proposed_by": found.by.username})


def refuse_proposed(rollout: Rollout, at: Progress, item: Item) -> None:
    """Raises Refused while a proposal waits: what one person says and what another one says are not mixed."""
    found = waiting(rollout, at.week.slug).get(item.slug)
    if found is not None:
        text = _("%(who)s proposes that this does not apply. Agree or decline first; nothing was ticked.")
        raise Refused(text % {"who": found.by}, status=409)


def _proposed(rollout: Rollout, at: Progress, item: Item) -> Proposal:
    found = waiting(rollout, at.week.slug).get(item.slug)
    if found is None:
        raise Refused(_("Nobody proposes this any more; somebody settled it. Nothing was changed."), status=409)
    return found


def _settle(found: Proposal, by: Person, *, agreed: bool) -> None:
    Proposal.objects.filter(pk=found.pk).update(settled_at=datetime.now(UTC), settled_by=by, agreed=agreed)
