"""Adopting a newer definition for one week: what then no longer holds is said first, signed with it, and done with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.accounts.models import Person
from apps.accounts.policy import Permission, permitted
from apps.ledger.chain import append
from apps.playbook.pin import content_of
from apps.playbook.plan import Week
from apps.playbook.validate import across
from apps.rollouts.ceremony import Proof, as_body, draw, use
from apps.rollouts.definitions import Newer
from apps.rollouts.models import Act, Amendment, Baseline, Draft, Pin, Rollout, Signature, Tick
from apps.rollouts.pins import composed, in_force, pinned
from apps.rollouts.progress import Progress, locked
from apps.rollouts.refusals import Refused
from apps.rollouts.signing import LEAST
from apps.rollouts.ticks import drop_halves

_METRIC = ("check", "metric", "how", "unit")  # of another source a captured value says nothing


@dataclass(frozen=True, slots=True)
class Effects:
    """What an amendment takes: signatures that turn stale or end with their slot, and what has to be done anew."""

    stale: tuple[Signature, ...]
    ended: tuple[Signature, ...]
    ticks: tuple[Tick, ...]
    baselines: tuple[Baseline, ...]
    comparison: bool
    watch: bool
    drill: bool

    def said(self, at: Progress) -> dict[str, Any]:
        """For the statement, which is signed only while this is still so."""
        titles = {item.slug: item.text for item in at.week.items()}
        metrics = {metric.slug: metric.title for metric in at.week.baseline}
        return {
            "stale": [_signature(one, at) for one in self.stale],
            "ended": [_signature(one, at) for one in self.ended],
            "items": [titles.get(tick.item, tick.item) for tick in self.ticks],
            "baselines": [metrics.get(one.metric, one.metric) for one in self.baselines],
            "anew": [name for name in ("comparison", "watch", "drill") if getattr(self, name)],
        }


def effects(at: Progress, newer: Week) -> Effects:
    """What adopting this definition takes from a week as it stands."""
    slots = {off.slug for off in newer.sign_offs}
    standing = sorted(at.done.signatures.values(), key=lambda one: one.at)
    fresh = {slot.signature.pk for slot in at.slots if slot.signature and not slot.stale}
    items, before = _asked(newer), _asked(at.week)
    metrics = {metric.slug: [getattr(metric, name) for name in _METRIC] for metric in newer.baseline}
    was = {metric.slug: [getattr(metric, name) for name in _METRIC] for metric in at.week.baseline}
    compared = (at.week.baseline, at.week.improvements), (newer.baseline, newer.improvements)
    return Effects(
        tuple(one for one in standing if one.slot in slots and one.pk in fresh),
        tuple(one for one in standing if one.slot not in slots),
        tuple(t for slug, t in sorted(at.done.ticks.items()) if slug not in items or items[slug] != before.get(slug)),
        tuple(b for slug, b in sorted(at.done.baselines.items()) if metrics.get(slug) != was.get(slug)),
        at.done.comparison is not None and content_of(compared[0]) != content_of(compared[1]),
        at.done.watch is not None and content_of(at.week.watch) != content_of(newer.watch),
        newer.rollback is not None and any(run.pin_id == at.done.pin.pk for run in at.done.rollbacks),
    )


def _asked(week: Week) -> dict[str, Any]:
    """What is asked by each item, and when: before the deployment or after it."""
    return {item.slug: (pause.gate, content_of(item)) for pause in week.pauses for item in pause.items}


def _signature(one: Signature, at: Progress) -> dict[str, str]:
    title = next((slot.off.title for slot in at.slots if slot.off.slug == one.slot), one.slot)
    return {"slot": title, "signer": str(one.by), "digest": one.digest}


def taken(said: dict[str, Any]) -> Iterator[str]:
    """What an amendment takes, in words, from what its statement says."""
    for one in said["stale"]:
        yield _("%(signer)s’s signature as %(slot)s becomes stale, and is made anew") % one
    for one in said["ended"]:
        yield _("%(signer)s’s signature as %(slot)s ends: its slot is removed") % one
    if n := len(said["items"]):
        text = ngettext(
            "one settled item is settled anew: %(what)s", "%(n)d settled items are settled anew: %(what)s", n
        )
        yield text % {"n": n, "what": "; ".join(said["items"])}
    if said["baselines"]:
        yield _("captured baselines that do not count any more: %(what)s") % {"what": "; ".join(said["baselines"])}
    words = {
        "comparison": _("the comparison is made anew"),
        "watch": _("the watch is made anew"),
        "drill": _("the rollback is drilled anew: it counts on the playbook that the week follows"),
    }
    yield from (words[name] for name in said["anew"])


def propose_amendment(rollout: Rollout, at: Progress, newer: Newer | None, why: str, by: Person) -> Draft:
    """
    Draw up the amendment of a week to the definition in the playbook's files, which is pinned with it.

    Raises:
        Refused: there is no newer one, it does not fit the rest of what is pinned, a watch runs that it would change, or no reason.
    """
    if newer is None:
        raise Refused(_("There is no newer definition of this week; nothing was changed."), status=409)
    if len(why.strip()) < LEAST:
        raise Refused(_("Say in at least ten characters why."))
    _refuse_watched(at, newer.week)
    frozen = newer.current.bundle
    pin, _made = Pin.objects.get_or_create(
        digest=frozen.digest, defaults={"data": frozen.data, "files": dict(frozen.files)}
    )
    _refuse_unfit(rollout, at, pin)
    said = {
        "format": "opsportal-amendment/1",
        "rollout": {"id": rollout.pk, "name": rollout.name, "tier": rollout.tier.slug},
        "week": at.week.slug,
        "week_title": at.week.title,
        "before": at.done.pin.digest,
        "playbook": pin.digest,
        "changes": [f"{one.what}: {one.word}{f', {one.detail}' if one.detail else ''}" for one in newer.changes],
        "takes": effects(at, newer.week).said(at),
        "why": why,
    }
    return draw(rollout, Act.AMEND, by, said, week=at.week.slug)


def _refuse_watched(at: Progress, newer: Week) -> None:
    watch = at.done.watch
    if watch and watch.ended_at is None and content_of(at.week.watch) != content_of(newer.watch):
        raise Refused(
            _("A watch runs that the newer definition changes: abort it with a reason, or wait for its end."), 409
        )


def _refuse_unfit(rollout: Rollout, at: Progress, pin: Pin) -> None:
    """A week may name targets of the plan and its baselines be named by them; both stay as they were pinned."""
    force = in_force(rollout)
    mistake = next(iter(across(composed(force, at.week.slug, pin))), None)
    if mistake is not None:
        text = _("The newer week does not fit the rest of what this rollout follows: %(what)s Nothing was changed.")
        raise Refused(text % {"what": mistake.what}, status=409)


def amend(draft: Draft, proof: Proof) -> Amendment:
    """Put the definition in force that the draft names. Raises Refused when the week is another, or the role is gone."""
    rollout, said, now = (
        Rollout.objects.select_related("tier", "pin").get(pk=draft.rollout_id),
        draft.said,
        datetime.now(UTC),
    )
    with transaction.atomic():
        at = locked(rollout, draft.week)
        newer = pinned(said["playbook"]).week(draft.week)
        if not permitted(draft.by, Permission.AMEND, rollout.tier.slug):
            raise Refused(_("Only the engineering lead amends a rollout. Nothing was signed."), status=403)
        _refuse_watched(at, newer)
        _refuse_unfit(rollout, at, Pin.objects.get(digest=said["playbook"]))
        takes = effects(at, newer)
        if at.done.pin.digest != said["before"] or takes.said(at) != said["takes"]:
            text = _("The week changed while you were reading. Nothing was signed; read the new statement.")
            raise Refused(text, status=409)
        kept = use(draft, proof)
        made = Amendment.objects.create(
            rollout=rollout, week=draft.week, by=draft.by, at=now, pin=Pin.objects.get(digest=said["playbook"]),
            why=said["why"], rewatch=content_of(at.week.watch) != content_of(newer.watch), **kept,
        )  # fmt: skip
        _take(at, takes, newer, made)
        _enter(rollout, at, draft, as_body(kept))
    return made


def _take(at: Progress, takes: Effects, newer: Week, made: Amendment) -> None:
    """Take what does not hold any more. All of it stays on record: undone, superseded or retired, and by whom."""
    rollout, by, now, why = (
        made.rollout,
        made.by,
        made.at,
        _("A newer definition was adopted: %(why)s") % {"why": made.why},
    )
    gone = {"undone_at": now, "undone_by": by, "undone_why": why}
    Tick.objects.filter(pk__in=[tick.pk for tick in takes.ticks]).update(**gone)
    Baseline.objects.filter(pk__in=[one.pk for one in takes.baselines]).update(superseded_at=now)
    retired = {"revoked_at": now, "revoked_by": by, "revoked_why": why}
    Signature.objects.filter(pk__in=[one.pk for one in takes.ended]).update(**retired)
    if takes.comparison and at.done.comparison:
        at.done.comparison.superseded_at = now
        at.done.comparison.save(update_fields=["superseded_at"])
    items = _asked(newer)
    drop_halves(rollout, made.week, [slug for slug, asked in _asked(at.week).items() if asked != items.get(slug)], by)


def _enter(rollout: Rollout, at: Progress, draft: Draft, body: dict[str, Any]) -> None:
    said = draft.said
    told = {key: said[key] for key in ("why", "before", "playbook", "changes", "takes")}
    append(
        kind="rollout.amend",
        subject=f"rollout/{rollout.pk}/{draft.week}/amendment",
        actor=draft.by.username,
        body={"rollout": rollout.name, "week": at.week.title, "short": said["playbook"][:12], **told, **body},
        tier=rollout.tier.slug,
    )
