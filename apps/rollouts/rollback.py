"""The way back of a week: where a run of it stands, and whether it was last gone in time on the pinned playbook."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from apps.metrics.units import duration
from apps.rollouts.models import Deployment, RollbackEnd, RollbackRun, RollbackStep, StepState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apps.playbook.plan import Rollback, Step, Week
    from apps.rollouts.progress import Done


class Standing(StrEnum):
    """Where a run stands; only IN_TIME shows that the way back keeps its promise."""

    RUNNING = "running"
    IN_TIME = "in-time"
    LATE = "late"
    FAILED = "failed"
    ABANDONED = "abandoned"

    @property
    def word(self) -> str:
        """The standing in words."""
        return {
            "running": _("running"), "in-time": _("done in time"), "late": _("done late"), "failed": _("failed"),
            "abandoned": _("abandoned"),
        }[self]  # fmt: skip


def standing(run: RollbackRun) -> Standing:
    """Where a run stands, from what is stored of it."""
    match run.end:
        case RollbackEnd.FINISHED:
            late = run.took_seconds is None or run.took_seconds > run.promised_seconds
            return Standing.LATE if late else Standing.IN_TIME
        case RollbackEnd.FAILED:
            return Standing.FAILED
        case RollbackEnd.ABANDONED:
            return Standing.ABANDONED
    return Standing.RUNNING


@dataclass(frozen=True, slots=True)
class StepRow:
    """A step of the playbook and what was said of it, oldest first."""

    number: int
    step: Step
    said: Sequence[RollbackStep]

    @property
    def last(self) -> RollbackStep | None:
        """What counts."""
        return self.said[-1] if self.said else None

    @property
    def settled(self) -> bool:
        """Done or not needed; a failed step is tried again, or the run has failed."""
        return self.last is not None and self.last.state != StepState.FAILED

    @property
    def look(self) -> str:
        """The state shown beside it."""
        if self.last is None:
            return "unknown"
        return {StepState.DONE: "pass", StepState.FAILED: "fail", StepState.SKIPPED: "muted"}[
            StepState(self.last.state)
        ]


@dataclass(frozen=True, slots=True)
class Course:
    """A run with its steps."""

    run: RollbackRun
    rows: Sequence[StepRow]

    @property
    def standing(self) -> Standing:
        """Where it stands."""
        return standing(self.run)

    @property
    def present(self) -> StepRow | None:
        """The step that is to be done now; None when all are settled or the run is over."""
        return None if self.run.ended_at else next((row for row in self.rows if not row.settled), None)

    @property
    def promised(self) -> timedelta:
        """The time promised."""
        return timedelta(seconds=self.run.promised_seconds)

    @property
    def deadline(self) -> datetime:
        """When the promised time is over."""
        return self.run.at + self.promised

    @property
    def took(self) -> timedelta | None:
        """From the start to the last step that the promise covers; None while one of them is open, or none was done."""
        covered = [row for row in self.rows if not row.step.afterwards]
        done = [row.last for row in covered if row.last and row.last.state == StepState.DONE]
        if not done or not all(row.settled for row in covered):
            return None
        return max(row.last.at for row in covered if row.last) - self.run.at


def course(run: RollbackRun, rollback: Rollback) -> Course:
    """A run along its playbook: one query."""
    said: dict[int, list[RollbackStep]] = {}
    for tick in run.steps.select_related("by"):
        said.setdefault(tick.number, []).append(tick)
    rows = [StepRow(number, step, said.get(number, [])) for number, step in enumerate(rollback.steps, 1)]
    return Course(run, rows)


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the way back of a week keeps its promise on this playbook, in words, and the run that shows it."""

    ready: bool
    said: str
    run: RollbackRun | None = None


def readiness(week: Week, done: Done) -> Readiness:
    """Judged by the last run on the pin that the week follows that came to an end, drill or not."""
    if week.rollback is None:
        return Readiness(True, _("This week needs no rollback."))
    promised = duration(week.rollback.promised.total_seconds())
    ended = (run for run in done.rollbacks if run.pin_id == done.pin.pk and run.end in _TELLING)
    last = next(ended, None)
    if last is None:
        text = _("The rollback was not drilled on this playbook yet; it is promised to take %(promised)s.")
        return Readiness(False, text % {"promised": promised})
    about = {"took": duration(last.took_seconds or 0), "promised": promised, "why": last.end_why}
    match standing(last):
        case Standing.IN_TIME:
            return Readiness(True, _("The last run took %(took)s of the %(promised)s promised.") % about, last)
        case Standing.LATE:
            return Readiness(False, _("The last run took %(took)s; promised are %(promised)s.") % about, last)
    return Readiness(False, _("The last run failed: %(why)s") % about, last)


_TELLING = {RollbackEnd.FINISHED, RollbackEnd.FAILED}


def rollback_ready(week: Week, done: Done) -> bool:
    """Whether a week may be deployed as far as its way back is concerned; a week without a rollback always may."""
    return readiness(week, done).ready


def taken_back(deployments: Sequence[Deployment], runs: Sequence[RollbackRun]) -> RollbackRun | None:
    """The rollback for good that runs, or finished or failed after the last deployment; an abandoned one changed nothing.

    `deployments` oldest first, `runs` newest first, both of one week.
    """
    if not deployments:
        return None
    for_good = (run for run in runs if not run.drilled_on and run.end != RollbackEnd.ABANDONED)
    last = next(for_good, None)
    return last if last and (last.ended_at is None or last.ended_at > deployments[-1].at) else None
