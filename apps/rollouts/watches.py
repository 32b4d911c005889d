"""What people do with a watch: start it after the deployment, look, abort it. Each is an entry of the ledger."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Person
from apps.ledger.chain import append
from apps.metrics.judge import TIER
from apps.metrics.kernel import Check, State
from apps.metrics.models import Node, Standing, Tier
from apps.metrics.thresholds import limits
from apps.metrics.units import duration
from apps.playbook.plan import Watch as Plan
from apps.playbook.plan import WatchEntry
from apps.rollouts.advancing import end
from apps.rollouts.models import Look, Rollout, Watch
from apps.rollouts.progress import Progress, locked
from apps.rollouts.refusals import Refused
from apps.rollouts.rollback import taken_back
from apps.rollouts.tally import tally_of
from apps.rollouts.watching import outdated


def begin(rollout: Rollout, at: Progress, by: Person) -> Watch:
    """
    Start the watch of a week. Nodes and thresholds are kept as they are now: who moves a threshold afterwards moves no watch.

    Raises:
        Refused: the week has none, or none that polling can follow; it is not open, signed or not deployed; one is running (409).
    """
    plan = _plan(at)
    _refuse_too_often(plan)
    try:
        with transaction.atomic():
            _refuse(locked(rollout, at.week.slug))
            now = datetime.now(UTC)
            begins = now + plan.initial_delay
            made = Watch.objects.create(
                rollout=rollout, week=at.week.slug, by=by, at=now, begins=begins, ends=begins + plan.length,
                terms=_terms(rollout.tier, plan),
            )  # fmt: skip
            told = {"ends": made.ends.isoformat(), "terms": made.terms, "number": made.pk}
            enter(made, at, "rollout.watch", by.username, told)
    except IntegrityError as error:
        raise Refused(_("A watch of this week is running already; nothing was changed."), status=409) from error
    return made


def _plan(at: Progress) -> Plan:
    if at.week.watch is None:
        raise Refused(_("The plan of this week has no watch."), status=409)
    return at.week.watch


def _refuse(at: Progress) -> None:
    if not at.open:
        text = _("This week is not open yet: %(week)s must be fully signed first.")
        raise Refused(text % {"week": at.waits_for}, status=409)
    if at.signed:
        raise Refused(_("This week is signed; a signer has to revoke before it is watched again."), status=409)
    if not at.done.deployments or taken_back(at.done.deployments, at.done.rollbacks):
        raise Refused(_("Record the deployment first: a watch is of what was deployed."), status=409)
    if at.done.watch is not None and at.done.watch.ended_at is None:
        if outdated(at.done):
            raise Refused(_("A watch of the deployment before runs still: abort it, then start this one."), status=409)
        raise Refused(_("A watch of this week is running already; nothing was changed."), status=409)


def _refuse_too_often(plan: Plan) -> None:
    """An interval that no poll falls into is never measured, so such a watch could only end inconclusive."""
    poll = timedelta(seconds=settings.POLL_SECONDS)
    often = next((entry for entry in plan.entries if entry.every is not None and entry.every < poll), None)
    if often is not None:
        text = _(
            "%(title)s is to be judged more often than it is polled, every %(poll)s. Set OPSPORTAL_POLL_SECONDS lower."
        )
        raise Refused(text % {"title": often.title, "poll": duration(settings.POLL_SECONDS)}, status=409)


def _terms(tier: Tier, plan: Plan) -> dict[str, Any]:
    """Of each entry with a check: the nodes it is judged on, and its thresholds there. Three queries."""
    counting = limits(tier)
    nodes = list(Node.objects.filter(tier=tier).select_related("status"))
    spoken: dict[str, set[str]] = {}
    for check_id, node in Standing.objects.filter(tier=tier).values_list("check_id", "node__name"):
        spoken.setdefault(check_id, set()).add(node or TIER)
    found = {}
    for entry in plan.entries:
        if entry.check:
            check = counting.checks.get(entry.check)
            if check is None:
                text = _("This version of the portal has no check %(check)s, so “%(title)s” cannot be watched.")
                raise Refused(text % {"check": entry.check, "title": entry.title}, status=409)
            names = _judged_on(check, nodes, spoken.get(check.id, set()))
            own = {name: of for name in names if (of := counting.of_nodes.get((check.id, name)))}
            thresholds = {name: [of.warn, of.fail] for name, of in {TIER: check, **own}.items()}
            found[entry.slug] = {"nodes": names, "thresholds": thresholds}
    return found


def _judged_on(check: Check, nodes: list[Node], spoken: set[str]) -> list[str]:
    """The nodes of the check's kind and role, else whatever it spoke of at the last poll, else the tier as a whole."""
    if check.kind is None:
        return sorted(spoken) or [TIER]
    return sorted(
        node.name for node in nodes if node.kind == check.kind and (check.role is None or _role(node) == check.role)
    ) or [TIER]


def _role(node: Node) -> str:
    return (node.status.role if hasattr(node, "status") else "") or node.role


def abort(rollout: Rollout, at: Progress, why: str, by: Person) -> None:
    """End a running watch; it stays on record as inconclusive, with the reason. Raises Refused."""
    if len(why.strip()) < 10:
        raise Refused(_("Say in at least ten characters why you abort the watch."))
    with transaction.atomic():
        watch = _running(locked(rollout, at.week.slug))
        said = _("aborted by %(who)s: %(why)s") % {"who": by, "why": why}
        end(watch, at.week, State.INCONCLUSIVE, said, datetime.now(UTC), by=by)


def look(rollout: Rollout, at: Progress, slug: str, note: str, by: Person, *, fine: bool) -> Look:
    """
    Note that somebody looked at an entry, and whether it was in order.

    Raises:
        Refused: no watch runs, nobody is to look at this entry, the note is missing, or the watch has not begun or is over.
    """
    entry = _entry(_plan(at), slug)
    if len(note.strip()) < 3:
        raise Refused(_("Say in a few words what you saw; the note is kept with your name."))
    with transaction.atomic():
        watch = _running(locked(rollout, at.week.slug))
        watch = Watch.objects.select_for_update().get(pk=watch.pk)
        now = datetime.now(UTC)
        number = _number(watch, entry, now)
        first = not Look.objects.filter(watch=watch, entry=slug, number=number).exists()
        made = Look.objects.create(watch=watch, entry=slug, number=number, by=by, at=now, fine=fine, note=note)
        tally = tally_of(watch.tallies.get(slug))
        counted = tally.with_look(first=first, fine=fine)
        watch.tallies = watch.tallies | {slug: counted.as_json()}
        watch.save(update_fields=["tallies"])
        enter(watch, at, "rollout.look", by.username, {"title": entry.title, "fine": fine, "note": note})
    return made


def _entry(plan: Plan, slug: str) -> WatchEntry:
    found = next((entry for entry in plan.entries if entry.slug == slug and entry.look_every), None)
    if found is None:
        raise Refused(_("Choose one of the things that are looked at during this watch."))
    return found


def _number(watch: Watch, entry: WatchEntry, now: datetime) -> int:
    assert entry.look_every is not None
    if not watch.begins <= now < watch.ends:
        raise Refused(
            _("A look counts between the begin and the end of the watch only; nothing was noted."), status=409
        )
    return int((now - watch.begins) / entry.look_every)


def _running(at: Progress) -> Watch:
    watch = at.done.watch
    if watch is None or watch.ended_at is not None:
        raise Refused(_("No watch of this week is running; nothing was changed."), status=409)
    return watch


def enter(watch: Watch, at: Progress, kind: str, actor: str, body: dict[str, Any]) -> None:
    """An entry of the ledger about a watch."""
    append(
        kind=kind,
        subject=f"rollout/{watch.rollout_id}/{watch.week}/watch",
        actor=actor,
        body={"rollout": watch.rollout.name, "week": at.week.title, **body},
        tier=watch.rollout.tier.slug,
    )
