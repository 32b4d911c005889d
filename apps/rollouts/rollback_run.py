"""Going the way back: start, a step at a time, the end; each with its ledger entry in the same transaction. The times are the server's."""

from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Person
from apps.ledger.chain import append
from apps.metrics.units import duration
from apps.playbook.plan import Rollback, Week
from apps.rollouts.models import RollbackEnd, RollbackRun, RollbackStep, Rollout, StepState
from apps.rollouts.progress import Progress, locked
from apps.rollouts.refusals import Refused
from apps.rollouts.rollback import Course, course, standing

LEAST_LENGTH = 5


def begin(rollout: Rollout, at: Progress, drilled_on: str, why: str, by: Person) -> RollbackRun:
    """
    Start the rollback of a week, or a drill of it; from here the promised time runs.

    Raises:
        Refused: the week has none, one is running, nothing was deployed that could be rolled back, or a drill would change a signed week.
    """
    rollback = rollback_of(at.week)
    if not drilled_on and len(why.strip()) < LEAST_LENGTH:
        raise Refused(_("Say in a few words why it is rolled back; it stands in the ledger."))
    with transaction.atomic():
        now = locked(rollout, at.week.slug)
        _refuse_start(now, drilled_on)
        run = RollbackRun.objects.create(
            rollout=rollout,
            week=at.week.slug,
            pin=now.done.pin,
            drilled_on=drilled_on,
            why=why,
            promised_seconds=rollback.promised.total_seconds(),
            by=by,
            at=datetime.now(UTC),
        )
        promised = duration(run.promised_seconds)
        _enter(run, at.week, "rollback.begin", by, {"why": why, "playbook": run.pin.digest, "promised": promised})
    return run


def _refuse_start(at: Progress, drilled_on: str) -> None:
    running = next((run for run in at.done.rollbacks if run.ended_at is None), None)
    if running:
        text = _("%(who)s began one at %(when)s UTC and it is still running; go on with that one.")
        raise Refused(text % {"who": running.by, "when": f"{running.at.astimezone(UTC):%H:%M:%S}"}, 409)
    if not drilled_on and not at.done.deployments:
        raise Refused(_("Nothing was deployed in this week, so there is nothing to roll back. Drill it instead."), 409)
    if drilled_on and at.signed:
        raise Refused(
            _("This week is signed, and a drill would change what was signed. A signer has to revoke first."), 409
        )


def settle(run: RollbackRun, week: Week, number: int, state: StepState, note: str, by: Person) -> None:
    """
    Say what became of the present step.

    Raises:
        Refused: the run is over, another step is the present one, or a step failed or was not needed without a word why.
    """
    if state != StepState.DONE and len(note.strip()) < LEAST_LENGTH:
        raise Refused(_("Say in a few words what happened, or why the step is not needed."))
    with transaction.atomic():
        row = _locked(run, week).present
        if row is None or row.number != number:
            text = _("Step %(number)d is settled already, by somebody else or in another window. Nothing was changed.")
            raise Refused(text % {"number": number}, 409)
        RollbackStep.objects.create(run=run, number=number, state=state, note=note, by=by, at=datetime.now(UTC))
        body = {"step": row.step.text, "number": number, "state": str(state.label), "note": note}
        _enter(run, week, "rollback.step", by, body)


def finish(run: RollbackRun, week: Week, end: RollbackEnd, why: str, by: Person) -> RollbackRun:
    """
    End a run; FINISHED keeps the time that the promised steps took.

    Raises:
        Refused: it is over already, a step that the promise covers is open (or, of a drill, was left out), it failed or is abandoned
            without a reason, or it is called abandoned though something was taken back, failed, or took too long.
    """
    if end != RollbackEnd.FINISHED and len(why.strip()) < LEAST_LENGTH:
        raise Refused(_("Say in a few words why it ends here."))
    with transaction.atomic():
        held = _locked(run, week)
        took = held.took
        if end == RollbackEnd.FINISHED and took is None:
            raise Refused(
                _(
                    "A step that the promise covers is still open, or none was done. Settle it, or end the run as failed."
                )
            )
        _refuse_end(held, end)
        ended = held.run
        ended.ended_at, ended.ended_by, ended.end, ended.end_why = datetime.now(UTC), by, end, why
        ended.took_seconds = took.total_seconds() if took and end == RollbackEnd.FINISHED else None
        ended.save(update_fields=["ended_at", "ended_by", "end", "end_why", "took_seconds"])
        open_steps = [row.step.text for row in held.rows if not row.settled]
        body = {"ended": standing(ended).word, "why": why, "took_seconds": ended.took_seconds, "open": open_steps}
        body["took"] = duration(ended.took_seconds) if ended.took_seconds is not None else "–"
        _enter(ended, week, "rollback.end", by, body)
    return ended


def _refuse_end(held: Course, end: RollbackEnd) -> None:
    """What happened is not made undone by the name of the end."""
    states = [row.last.state for row in held.rows if row.last]
    skipped = [row for row in held.rows if not row.step.afterwards and row.last and row.last.state == StepState.SKIPPED]
    if end == RollbackEnd.FINISHED and held.run.drilled_on and skipped:
        text = _("A drill goes every step that the promise covers, and “%(step)s” was left out. End it as abandoned.")
        raise Refused(text % {"step": skipped[0].step.text}, 409)
    if end != RollbackEnd.ABANDONED:
        return
    if not held.run.drilled_on and StepState.DONE in states:
        raise Refused(
            _("Steps of this rollback are done, so it is not abandoned: finish it, or end it as failed."), 409
        )
    if held.run.drilled_on and StepState.FAILED in states:
        raise Refused(_("A step of this drill failed, so it is not abandoned: end it as failed."), 409)
    if held.run.drilled_on and held.took is None and datetime.now(UTC) > held.deadline:
        raise Refused(_("The promised time is over, so this drill is not abandoned: end it as failed."), 409)


def rollback_of(week: Week) -> Rollback:
    """The way back that the playbook declares. Raises Refused where it declares none."""
    if week.rollback is None:
        raise Refused(_("The playbook declares no rollback for this week: nothing goes live in it."), 409)
    return week.rollback


def _locked(run: RollbackRun, week: Week) -> Course:
    """The run as it stands now, which nobody else changes until the transaction ends. Raises Refused when it is over."""
    now = RollbackRun.objects.select_for_update(of=("self",)).select_related("ended_by", "rollout__tier").get(pk=run.pk)
    if now.ended_at:
        text = _("%(who)s ended this run at %(when)s UTC. Nothing was changed.")
        raise Refused(text % {"who": now.ended_by, "when": f"{now.ended_at.astimezone(UTC):%H:%M:%S}"}, 409)
    return course(now, rollback_of(week))


def _enter(run: RollbackRun, week: Week, kind: str, by: Person, body: dict[str, Any]) -> None:
    drill = _("drill %(where)s") % {"where": run.get_drilled_on_display()} if run.drilled_on else _("rollback")
    append(
        kind=kind,
        subject=f"rollout/{run.rollout_id}/{run.week}/rollback/{run.pk}",
        actor=by.username,
        body={"rollout": run.rollout.name, "week": week.title, "what": drill, **body},
        tier=run.rollout.tier.slug,
    )
