"""Moving watches on: what has become over is observed from the store, counted, and judged. Any process may do so at any time.

Nothing is remembered outside the store: who takes a watch up reads where it stands, so a process that was killed is missed by nobody.
Two who do so at once count every interval once.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Person
from apps.accounts.policy import Permission, roles_with
from apps.ledger.chain import SYSTEM, append
from apps.ledger.leaf import canonical
from apps.metrics import announce
from apps.metrics.histories import HistoryUnreachable
from apps.metrics.kernel import State, Unit
from apps.metrics.registry import checks
from apps.playbook.plan import Watch as Plan
from apps.playbook.plan import Week
from apps.rollouts.gates import ENOUGH
from apps.rollouts.holders import holders, names_of
from apps.rollouts.models import Observation, Rollout, Watch
from apps.rollouts.observing import Seen
from apps.rollouts.start import playbook_of
from apps.rollouts.tally import tally_of
from apps.rollouts.uncompared import compare_ended, uncompared
from apps.rollouts.unobserved import unobserved
from apps.rollouts.watching import Entry, covered_share, standing_of, verdict

log = structlog.get_logger()


def advance_all(now: datetime) -> int:
    """Move every running watch on, and compare where that was missed; returns how many ended. One that fails keeps no other from it."""
    ended = sum(_tried(advance, pk, now) for pk in Watch.objects.filter(ended_at=None).values_list("pk", flat=True))
    for pk in uncompared().values_list("pk", flat=True):
        _tried(compare_ended, pk)
    return ended


def _tried(act: Callable[..., bool], pk: int, *of: datetime) -> bool:
    """Do something to one watch; where that fails, whatever it is, it is told, and the others go on."""
    try:
        return act(pk, *of)
    except Exception:
        log.exception("watch.stuck", watch=pk)
        return False


def advance(pk: int, now: datetime) -> bool:
    """Observe what is over by now and end the watch if that settles it; returns whether it ended."""
    watch = Watch.objects.select_related("rollout__tier", "rollout__pin", "by").filter(pk=pk, ended_at=None).first()
    if watch is None:
        return False
    week = next(w for w in playbook_of(watch.rollout).weeks if w.slug == watch.week)
    assert week.watch is not None
    try:
        seen = unobserved(watch, week.watch, now)
    except HistoryUnreachable as error:
        log.warning("watch.unread", watch=pk, said=str(error))
        return False
    ended = _count(watch, week, seen, now)
    if ended:
        compare_ended(pk)
    return ended


def _count(watch: Watch, week: Week, seen: Mapping[str, Sequence[Seen]], now: datetime) -> bool:
    """Write down what was observed and what it makes of the watch, all or nothing."""
    with transaction.atomic():
        Rollout.objects.select_for_update().get(pk=watch.rollout_id)
        held = Watch.objects.select_for_update(of=("self",)).select_related("rollout__tier", "by").get(pk=watch.pk)
        if held.ended_at is not None:
            return False
        tallies = dict(held.tallies)
        for slug, found in seen.items():
            tallies[slug] = _counted(tallies.get(slug), week, slug, found)
        kept = [one for slug, found in seen.items() for one in _rows(held, slug, found)]
        if kept:
            Observation.objects.bulk_create(kept, ignore_conflicts=True)
            held.tallies = tallies
            held.save(update_fields=["tallies"])
        assert week.watch is not None
        entries = standing_of(week.watch, held.tallies, over=_over(held, week.watch, now))
        if not _ends(held, entries, now):
            return False
        end(held, week, verdict(entries), _outcome(entries), now)
    return True


def _rows(watch: Watch, slug: str, found: Sequence[Seen]) -> list[Observation]:
    return [
        Observation(
            watch=watch, entry=slug, number=one.interval.number, at=one.interval.end, state=one.state, value=one.value
        )
        for one in found
    ]


def _counted(kept: dict[str, Any] | None, week: Week, slug: str, found: Sequence[Seen]) -> dict[str, Any]:
    """The tally with those intervals that it does not have yet: another process may have been quicker."""
    assert week.watch is not None
    tally = tally_of(kept)
    check = checks().get(next(e.check for e in week.watch.entries if e.slug == slug))
    unit = check.unit if check else Unit.COUNT
    for one in found:
        if one.interval.number == tally.seen:
            tally = tally.after(one.state, one.value, unit, one.distinct)
    return tally.as_json()


def _over(watch: Watch, plan: Plan, now: datetime) -> bool:
    """Whether time is up and every interval was observed."""
    measured = [e for e in standing_of(plan, watch.tallies, over=False) if e.terms is not None]
    return now >= watch.ends and all(e.terms and e.tally.seen >= e.terms.expected for e in measured)


def _ends(watch: Watch, entries: Sequence[Entry], now: datetime) -> bool:
    """It ends when all is settled, or one entry is for the worse; what is shadow does not end it early."""
    if any(entry.settled and entry.state not in ENOUGH and not entry.shadow for entry in entries):
        return True
    return now >= watch.ends and all(entry.settled for entry in entries)


def _outcome(entries: Sequence[Entry]) -> str:
    """In a few words: what fails, else what is not known, else how much was covered."""
    state = verdict(entries)
    if state not in ENOUGH:
        bad = [f"{e.entry.title}: {e.said}" for e in entries if e.state is state and not e.shadow]
        return "; ".join(bad[:3])
    share = covered_share(entries)
    failures = sum(e.tally.failures + e.tally.complaints for e in entries if not e.shadow)
    if share is None:
        return _("looked at as planned, %(n)d failures") % {"n": failures}
    return _("%(share)s %% covered, %(n)d failures") % {"share": f"{share * 100:.1f}", "n": failures}


def end(watch: Watch, week: Week, state: State, said: str, now: datetime, by: Person | None = None) -> None:
    """Mark a watch as ended, enter it in the ledger, tell the tier's channels. Within the caller's transaction."""
    watch.state, watch.said, watch.ended_at, watch.aborted_by = state.value, said, now, by
    kept = {"terms": watch.terms, "tallies": watch.tallies, "state": state.value, "said": said}
    watch.digest = hashlib.sha256(canonical(kept)).hexdigest()
    watch.save(update_fields=["state", "said", "ended_at", "aborted_by", "digest"])
    append(
        kind="rollout.abort-watch" if by else "rollout.watched",
        subject=f"rollout/{watch.rollout_id}/{watch.week}/watch",
        actor=by.username if by else SYSTEM,
        body={
            "rollout": watch.rollout.name, "week": week.title, "number": watch.pk, "state": state.value, "said": said,
            "tallies": watch.tallies, "digest": watch.digest,
        },
        tier=watch.rollout.tier.slug,
    )  # fmt: skip
    if by is None:
        _tell(watch, week, state, said, now)


def _tell(watch: Watch, week: Week, state: State, said: str, now: datetime) -> None:
    """To the tier's channels, with the names of those who can act where it did not end well."""
    tier, text = watch.rollout.tier, _("Watch of %(week)s, rollout %(rollout)s: %(said)s")
    told = text % {"week": week.title, "rollout": watch.rollout.name, "said": said}
    if state not in ENOUGH:
        roles = {*roles_with(Permission.DEPLOY), *(role for off in week.sign_offs for role in off.roles)}
        told += ". " + _("Concerns: %(people)s.") % {"people": ", ".join(names_of(roles, holders(tier.slug)))}
    url = f"{settings.ORIGIN}/rollouts/{watch.rollout_id}/weeks/{watch.week}/#watched"
    announce.announce(tier, now, [announce.news(told, state, url, now)])
