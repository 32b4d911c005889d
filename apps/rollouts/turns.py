"""Whose turn it is in a rollout, and for what: derived from where its weeks stand, as their pages show it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.models import Person
from apps.accounts.policy import Permission, roles_with
from apps.rollouts.holders import People, people, people_of
from apps.rollouts.models import Decision, Override, Proposal, Rollout, Signature
from apps.rollouts.present import asked, next_gate
from apps.rollouts.progress import Progress, Slot, progress
from apps.rollouts.signing import held_up, separation


@dataclass(frozen=True, slots=True)
class Turn:
    """Something that waits for people. `key` names it within the rollout as long as it waits; `told`: that it begins is worth telling."""

    key: str
    text: str
    url: str
    people: frozenset[Person]
    told: bool = True


def turns(rollout: Rollout, now: datetime) -> list[Turn]:
    """Everything that waits for somebody in a rollout: two queries beyond its progress."""
    found, weeks = people(rollout.tier.slug), progress(rollout)
    proposals: dict[str, list[Proposal]] = {}
    for proposal in Proposal.objects.filter(rollout=rollout, settled_at=None).select_related("by"):
        proposals.setdefault(proposal.week, []).append(proposal)
    waiting: list[Turn] = []
    for before, at in zip([None, *weeks], weeks, strict=False):
        if at.open:
            waiting.append(_opened(rollout, at, before, found))
            waiting += _signatures(rollout, at, found)
            waiting += (_proposed(rollout, at, one, found) for one in proposals.get(at.week.slug, ()))
            waiting += (_overriding(rollout, at, one, found) for one in _unconfirmed(at, now))
    return waiting


def _opened(rollout: Rollout, at: Progress, before: Progress | None, found: People) -> Turn:
    """It waits as long as the week is open, and is another occasion after other signatures; who comes to a signed week is told nothing."""
    by = ".".join(str(slot.signature.pk) for slot in before.slots if slot.signature) if before else ""
    gate = next_gate(at)
    text = _("%(week)s of “%(rollout)s” is open. Next: %(ask)s.")
    return Turn(
        f"open:{at.week.slug}:{by}"[:200],
        text % (_named(rollout, at) | {"ask": gate.ask if gate else ""}),
        _page(rollout, at, gate.slug if gate else "signed"),
        people_of(asked(at, gate), found) if gate else frozenset(),
        told=not at.signed,
    )


def _signatures(rollout: Rollout, at: Progress, found: People) -> Iterator[Turn]:
    ready = not held_up(at)
    for slot in at.slots:
        address = settings.ORIGIN + reverse("rollouts:sign", args=(rollout.pk, at.week.slug, slot.off.slug))
        words = _named(rollout, at) | {"slot": slot.off.title}
        if slot.signature is not None and slot.stale:
            text = _("The signature of %(week)s of “%(rollout)s” as %(slot)s is stale: what it covers was changed.")
            who = _signers(rollout, at, slot, found)
            yield Turn(f"stale:{slot.signature.pk}", text % words, address, who)
        elif slot.signature is None and ready:
            text = _("%(week)s of “%(rollout)s” can be signed as %(slot)s.")
            key = f"sign:{at.week.slug}:{slot.off.slug}"
            yield Turn(key, text % words, address, _signers(rollout, at, slot, found))


def _signers(rollout: Rollout, at: Progress, slot: Slot, found: People) -> frozenset[Person]:
    """Who may decide in a slot, whether they have a passkey already or not; a rejection is its signer's."""
    able = people_of(slot.off.roles, found)
    if rollout.waiver is None:
        able = frozenset(person for person in able if not separation(at, slot, person))
    return frozenset(person for person in able if not _anothers(slot.signature, person))


def _anothers(signature: Signature | None, person: Person) -> bool:
    return signature is not None and signature.decision == Decision.REJECT and signature.by_id != person.pk


def _proposed(rollout: Rollout, at: Progress, one: Proposal, found: People) -> Turn:
    text = _("%(who)s proposes that “%(item)s” does not apply in %(week)s of “%(rollout)s”. A second person decides.")
    words = _named(rollout, at) | {"who": one.by, "item": at.week.item(one.item).text}
    others = people_of(roles_with(Permission.TICK), found) - {one.by}
    return Turn(f"proposal:{one.pk}", text % words, _page(rollout, at, f"item-{one.item}"), others)


def _unconfirmed(at: Progress, now: datetime) -> list[Override]:
    waits = [one for one in at.done.overrides if not one.settled and one.ended_at is None and one.expires_at > now]
    return [] if at.signed else waits


def _overriding(rollout: Rollout, at: Progress, one: Override, found: People) -> Turn:
    text = _("%(who)s proposes to override “%(title)s” in %(week)s of “%(rollout)s”. A second person confirms.")
    words = _named(rollout, at) | {"who": one.by, "title": one.title}
    others = people_of(roles_with(Permission.OVERRIDE), found) - {one.by}
    return Turn(f"override:{one.pk}", text % words, _page(rollout, at, "overrides"), others)


def _named(rollout: Rollout, at: Progress) -> dict[str, object]:
    return {"week": at.week.title, "rollout": rollout.name}


def _page(rollout: Rollout, at: Progress, place: str) -> str:
    return f"{settings.ORIGIN}{reverse('rollouts:week', args=(rollout.pk, at.week.slug))}#{place}"
