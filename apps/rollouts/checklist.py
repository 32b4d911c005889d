"""Settling items: an auto item runs its check now and freezes the evidence, or is refused; a person's word is kept with a note."""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Person
from apps.metrics.kernel import State, Unit
from apps.metrics.now import Checked, check_now
from apps.metrics.registry import checks
from apps.metrics.units import example, read, show
from apps.playbook.plan import Item, ItemKind, Measure
from apps.rollouts.answers import Reached
from apps.rollouts.attachments import Upload, keep_files
from apps.rollouts.criteria import criteria
from apps.rollouts.models import Outcome, Proposal, Reading, Rollout, Tick
from apps.rollouts.progress import Progress, locked
from apps.rollouts.proposals import propose, refuse_proposed
from apps.rollouts.refusals import Refused
from apps.rollouts.ticks import Proof, enter, keep, lock, refuse_closed, refuse_early, refuse_signed, taken


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person sent for an item: a value as typed, a note, files, or why it does not apply.

    `reading`: the key of the reading that they saw and confirm, of a challenge item; empty where they read it out.
    """

    value: str = ""
    note: str = ""
    not_applicable: bool = False
    files: tuple[Upload, ...] = ()
    reading: str = ""


def tick(rollout: Rollout, at: Progress, item: Item, wish: Wish, by: Person) -> Tick | Reading | Proposal:
    """
    Settle an item, read out the first half of a challenge item, or propose that a critical one does not apply.

    Raises:
        Refused: the week is not open, the item's turn has not come, the check does not pass, the value is outside the expectation, a
            note is missing, or somebody else settled it meanwhile (409). Nothing is changed then.
    """
    refuse_closed(at)
    refuse_signed(at)
    if item.slug in at.done.ticks:
        raise taken(at.done.ticks[item.slug])
    refuse_early(at, item)
    refuse_proposed(rollout, at, item)
    if wish.not_applicable:
        if len(wish.note.strip()) < 10:
            raise Refused(_("Say in at least ten characters why this item does not apply."))
        if item.critical:
            return propose(rollout, at, item, Proof(note=wish.note, files=wish.files), by)
        return keep(rollout, at, item, by, Outcome.NOT_APPLICABLE, Proof(note=wish.note, files=wish.files))
    match item.kind:
        case ItemKind.AUTO:
            proof = _by_target(rollout, item, wish) if item.target else _by_check(rollout, at, item, wish)
            return keep(rollout, at, item, by, Outcome.DONE, proof)
        case ItemKind.OBSERVE:
            return keep(rollout, at, item, by, Outcome.DONE, _by_value(at, item, wish))
        case ItemKind.CHALLENGE:
            return _challenge(rollout, at, item, wish, by)
        case ItemKind.ATTEST:
            if len(wish.note.strip()) < 3 and not wish.files:
                text = _("Say in a few words what you saw or did, or attach a file; it is kept with your name.")
                raise Refused(text)
            return keep(rollout, at, item, by, Outcome.DONE, Proof(note=wish.note, files=wish.files))


def undo(rollout: Rollout, at: Progress, item: Item, why: str, by: Person) -> None:
    """Take a tick back; it stays on record, and signatures that covered it become stale. Raises Refused."""
    refuse_closed(at)
    refuse_signed(at)
    found = at.done.ticks.get(item.slug)
    if found is None:
        raise Refused(_("This item is not ticked, so there is nothing to take back."), status=409)
    if len(why.strip()) < 10:
        raise Refused(_("Say in at least ten characters why you take this back."))
    with transaction.atomic():
        refuse_signed(locked(rollout, at.week.slug))
        changed = Tick.objects.filter(pk=found.pk, undone_at=None).update(
            undone_at=datetime.now(UTC), undone_by=by, undone_why=why
        )
        if not changed:
            raise Refused(_("Somebody else took it back a moment ago. Reload to see it."), status=409)
        enter(rollout, at, item, "rollout.untick", by, {"why": why})


def _by_target(rollout: Rollout, item: Item, wish: Wish) -> Proof:
    """The evidence of success criteria that are all met at this moment."""
    found = criteria(rollout).of(item.target)
    unmet = [row for row in found if row.answer.verdict is not Reached.MET]
    if unmet or not found:
        told = "; ".join(f"{row.promise.title}: {row.answer.reason}" for row in unmet[:3])
        text = _("Not ticked: %(unmet)d of %(all)d targets are not met. %(told)s%(more)s. See the success criteria.")
        more = _("; and %(n)d more") % {"n": len(unmet) - 3} if len(unmet) > 3 else ""
        raise Refused(text % {"unmet": len(unmet), "all": len(found), "told": told, "more": more})
    return Proof(note=wish.note, evidence=[row.as_body() for row in found], files=wish.files)


def _by_check(rollout: Rollout, at: Progress, item: Item, wish: Wish) -> Proof:
    """The evidence of a check that passes at this moment, and whose values meet the item's expectation."""
    if item.check not in checks():
        text = _(
            "Not ticked: this version of the portal has no check %(check)s. Adopt a definition of the week without it."
        )
        raise Refused(text % {"check": item.check}, status=409)
    checked = check_now(rollout.tier, item.check)
    if item.of:
        checked = checked.of(item.of)
        if not checked.evidence:
            text = _("Not ticked: %(title)s says nothing of %(object)s. Is it there, under this name?")
            raise Refused(text % {"title": checked.check.title, "object": item.of})
    if checked.state is not State.PASS:
        raise Refused(_why_not(checked))
    value = _worst_value(checked)
    if item.expect is not None:
        baseline = at.done.baselines.get(item.expect.against)
        for evidence in checked.evidence:
            state = item.expect.judge(evidence.value, baseline.value if baseline else None)
            if state is not State.PASS:
                raise Refused(_outside(item, evidence.value, state, evidence.node))
    return Proof(value, wish.note, [evidence.as_body() for evidence in checked.evidence], files=wish.files)


def _why_not(checked: Checked) -> str:
    """In words: what does not pass, where, and what to do."""
    told = []
    for one in checked.failing[:3]:
        where = " ".join(filter(None, (one.node, one.object)))
        limit = show(one.fail if one.state == State.FAIL else one.warn, one.unit)
        if one.state in {State.WARN, State.FAIL}:
            told.append(
                _("%(where)s: %(value)s, allowed %(limit)s") % {"where": where, "value": one.shown, "limit": limit}
            )
        else:
            told.append(f"{where}: {one.problem or _('no value could be measured now')}")
    text = _("Not ticked: %(title)s does not pass now. %(told)s. %(remedy)s")
    return text % {"title": checked.check.title, "told": "; ".join(told), "remedy": checked.check.remedy}


def _worst_value(checked: Checked) -> float | None:
    values = [e.value for e in checked.evidence if e.value is not None]
    if not values:
        return None
    return min(values) if checked.check.direction == "low" else max(values)


def _by_value(at: Progress, item: Item, wish: Wish) -> Proof:
    """An entered value, judged against the expectation."""
    unit = item.expect.unit if item.expect else Unit.COUNT
    try:
        value = read(wish.value, unit)
    except ValueError as error:
        raise Refused(_("Enter the value you observed, such as %(example)s.") % {"example": example(unit)}) from error
    if item.expect is None:
        return Proof(value, wish.note, files=wish.files)
    baseline = at.done.baselines.get(item.expect.against)
    state = item.expect.judge(value, baseline.value if baseline else None)
    if state is not State.PASS:
        raise Refused(_outside(item, value, state, ""))
    return Proof(value, wish.note, files=wish.files)


def _outside(item: Item, value: float | None, state: State, node: str) -> str:
    assert item.expect is not None
    if state is State.INCONCLUSIVE:
        return _(
            "Not ticked: this compares with the baseline, which has not been captured. Capture the baseline first."
        )
    text = _("Not ticked: %(value)s %(node)s is outside what is expected (%(range)s). If it is right, note an issue.")
    return text % {"value": show(value, item.expect.unit), "node": node, "range": expected(item)}


def expected(item: Item) -> str:
    """The expectation of an item in words; empty where it has none."""
    if item.expect is None:
        return ""
    e = item.expect
    relative = e.measure is Measure.CHANGE
    low, high = (show(v, "ratio" if relative else e.unit) if v is not None else "" for v in (e.low, e.high))
    if low and high:
        said = low if low == high else _("%(low)s to %(high)s") % {"low": low, "high": high}
    else:
        said = _("at least %(low)s") % {"low": low} if low else _("at most %(high)s") % {"high": high}
    return said if e.measure is Measure.VALUE else _("%(range)s against the baseline") % {"range": said}


def _challenge(rollout: Rollout, at: Progress, item: Item, wish: Wish, by: Person) -> Tick | Reading:
    """One person reads, another one, who saw that, confirms."""
    with transaction.atomic():
        lock(rollout, at, item)
        reading = Reading.objects.filter(rollout=rollout, week=at.week.slug, item=item.slug, used_at=None).first()
        if reading is None:
            if wish.reading:
                raise Refused(
                    _("What you confirm was read of an earlier state; it has to be read out anew."), status=409
                )
            return _read_out(rollout, at, item, wish, by)
        if reading.by_id == by.pk:
            raise Refused(_("You read this item; another person has to confirm it."), status=409)
        if wish.reading != str(reading.pk):
            text = _("%(who)s read it out a moment ago. Look at it yourself, then confirm it; nothing was ticked.")
            raise Refused(text % {"who": reading.by}, status=409)
        Reading.objects.filter(pk=reading.pk).update(used_at=datetime.now(UTC))
        note = " · ".join(filter(None, (reading.note, wish.note)))
        proof = Proof(note=note, read_by=reading.by, files=wish.files, kept=tuple(reading.files))
        return keep(rollout, at, item, by, Outcome.DONE, proof)


def _read_out(rollout: Rollout, at: Progress, item: Item, wish: Wish, by: Person) -> Reading:
    said = Proof(note=wish.note, files=wish.files).spoken
    made = Reading.objects.create(
        rollout=rollout,
        week=at.week.slug,
        item=item.slug,
        note=wish.note,
        files=keep_files(rollout, wish.files),
        by=by,
        at=datetime.now(UTC),
    )
    enter(rollout, at, item, "rollout.read", by, said)
    return made
