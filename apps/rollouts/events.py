"""What happens in a week besides ticks: a deployment, an issue, its resolution."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Person
from apps.accounts.policy import Permission, permitted
from apps.ledger.chain import append
from apps.playbook.plan import Gate as ItemGate
from apps.rollouts.attachments import Upload, keep_files
from apps.rollouts.models import Deployment, Issue, Note, Rollout, Tick
from apps.rollouts.progress import Progress, locked
from apps.rollouts.refusals import Refused
from apps.rollouts.rollback import readiness, taken_back
from apps.rollouts.ticks import drop_halves

TWICE = timedelta(seconds=10)  # within which the same deployment by the same person is a form sent twice


def deploy(rollout: Rollout, at: Progress, what: str, minutes: float | None, by: Person) -> Deployment:
    """
    Record that something was deployed, and how many minutes it took; a form sent twice is recorded once.

    Raises:
        Refused: the week is not open, its prerequisites or its baseline are not complete, or its rollback was not drilled in time.
    """
    with transaction.atomic():
        now = locked(rollout, at.week.slug)
        _refuse_early(now)
        _refuse_while_taken_back(now)
        if (same := _sent_twice(now, what, by)) is not None:
            return same
        way_back = readiness(now.week, now.done)
        if not way_back.ready:
            raise Refused(
                _("Not recorded: %(why)s Drill it first, on the rollback's page of this week.")
                % {"why": f"{way_back.said} "},
                status=409,
            )
        made = Deployment.objects.create(
            rollout=rollout, week=at.week.slug, what=what, minutes=minutes, by=by, at=datetime.now(UTC)
        )
        _reopen(rollout, now, by)
        _enter(rollout, at, "rollout.deploy", by, {"what": what, "minutes": minutes, "rollback": way_back.said})
    return made


def _sent_twice(at: Progress, what: str, by: Person) -> Deployment | None:
    last = at.done.deployments[-1] if at.done.deployments else None
    if last is None or taken_back(at.done.deployments, at.done.rollbacks):
        return None
    return last if (last.by_id, last.what) == (by.pk, what) and datetime.now(UTC) - last.at < TWICE else None


def _refuse_while_taken_back(at: Progress) -> None:
    running = next((run for run in at.done.rollbacks if run.ended_at is None and not run.drilled_on), None)
    if running is not None:
        text = _("Not recorded: %(who)s is rolling this week back. End that run first.")
        raise Refused(text % {"who": running.by}, status=409)


def _reopen(rollout: Rollout, at: Progress, by: Person) -> None:
    """What was validated was an earlier deployment: its ticks are undone, and stay on record; nobody confirms what was read of it."""
    validated = {item.slug for item in at.week.items(ItemGate.VALIDATION)}
    old = [tick.pk for slug, tick in at.done.ticks.items() if slug in validated]
    Tick.objects.filter(pk__in=old).update(
        undone_at=datetime.now(UTC), undone_by=by, undone_why=_("Deployed again since.")
    )
    drop_halves(rollout, at.week.slug, validated, by)


def _refuse_early(at: Progress) -> None:
    if not at.open:
        text = _("This week is not open yet: %(week)s must be fully signed first.")
        raise Refused(text % {"week": at.waits_for}, status=409)
    if at.signed:
        raise Refused(
            _("This week is signed; nothing more is deployed in it. A signer has to revoke first."), status=409
        )
    lacking = [gate.title for gate in at.gates if gate.slug in {"prerequisites", "baseline"} and gate.state != "done"]
    if lacking:
        text = _("Not recorded: complete %(gates)s first. What is deployed before its baseline cannot be compared.")
        raise Refused(text % {"gates": _(" and ").join(lacking)}, status=409)


def note_issue(
    rollout: Rollout,
    at: Progress,
    text: str,
    known: str,
    by: Person,
    *,
    blocker: bool = False,
    files: tuple[Upload, ...] = (),
) -> Issue:
    """Note something that was seen; `known` is the slug of a line of the issue table, whose action is kept with it.

    While a `blocker` is open nobody approves the week.

    Raises Refused for a line that is not there, and in a week that is signed: its signatures would silently become stale.
    """
    table = {issue.slug: issue for issue in at.week.issues}
    if known and known not in table:
        raise Refused(_("This line is not in the week's issue table; choose one of the list, or none."))
    action = table[known].action if known else ""
    with transaction.atomic():
        if locked(rollout, at.week.slug).complete:
            raise Refused(
                _("This week is signed, so nothing is added to it. Note the issue in the week under way."), 409
            )
        made = Issue.objects.create(
            rollout=rollout,
            week=at.week.slug,
            text=text,
            known=known,
            action=action,
            blocker=blocker,
            files=keep_files(rollout, files),
            by=by,
            at=datetime.now(UTC),
        )
        said = {"text": text, "known": known, "number": made.pk, "blocker": blocker}
        _enter(rollout, at, "rollout.issue", by, said | ({"files": made.files} if made.files else {}))
    return made


def resolve_issue(rollout: Rollout, at: Progress, issue: Issue, resolution: str, by: Person) -> None:
    """Close an issue with what was done.

    Raises:
        Refused: it is closed already, or it is somebody else's blocker and the person signs nothing (403).
    """
    if issue.blocker and issue.by_id != by.pk and not permitted(by, Permission.SIGN, rollout.tier.slug):
        text = _("A blocker is closed by who noted it, %(who)s, or by somebody who may sign.")
        raise Refused(text % {"who": issue.by}, status=403)
    with transaction.atomic():
        locked(rollout, at.week.slug)
        changed = Issue.objects.filter(pk=issue.pk, resolved_at=None).update(
            resolved_at=datetime.now(UTC), resolved_by=by, resolution=resolution
        )
        if not changed:
            raise Refused(_("This issue was closed already; nothing was changed."), status=409)
        _enter(rollout, at, "rollout.resolve", by, {"text": issue.text, "resolution": resolution, "number": issue.pk})


def remark(rollout: Rollout, at: Progress, text: str, by: Person) -> Note:
    """Note something beside the plan of a week. No signature covers it, so it may be written at any time."""
    with transaction.atomic():
        made = Note.objects.create(rollout=rollout, week=at.week.slug, text=text, by=by, at=datetime.now(UTC))
        _enter(rollout, at, "rollout.note", by, {"text": text})
    return made


def _enter(rollout: Rollout, at: Progress, kind: str, by: Person, body: dict[str, Any]) -> None:
    append(
        kind=kind,
        subject=f"rollout/{rollout.pk}/{at.week.slug}",
        actor=by.username,
        body={"rollout": rollout.name, "week": at.week.title, **body},
        tier=rollout.tier.slug,
    )
