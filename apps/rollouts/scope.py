"""What the comparison of a week stands on: its metrics, what is promised of them, the baselines, and the deployment that lies between.

A block has its own. The final week compares the whole programme: the first block's baseline with what came after the last deployment.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.playbook.plan import BaselineMetric, Improvement, Plan, WeekKind
from apps.rollouts.models import Baseline, Rollout
from apps.rollouts.progress import Progress, progress
from apps.rollouts.start import playbook_of


@dataclass(frozen=True, slots=True)
class Scope:
    """`baselines`: the captured ones by slug. `deployed`: the last deployment; None while there is none."""

    metrics: Sequence[BaselineMetric]
    promises: Sequence[Improvement]
    baselines: Mapping[str, Baseline]
    deployed: datetime | None

    @property
    def comparable(self) -> bool:
        """Whether there is a before and an after."""
        return bool(self.baselines) and self.deployed is not None


def scope_of(rollout: Rollout, at: Progress) -> Scope:
    """The scope of a week; of the final one it takes the progress of all weeks."""
    if at.week.kind is not WeekKind.FINAL:
        return block(at)
    return programme(progress(rollout), playbook_of(rollout).plan)


def block(at: Progress) -> Scope:
    """What a block compares."""
    deployed = at.done.deployments[-1].at if at.done.deployments else None
    return Scope(at.week.baseline, at.week.improvements, at.done.baselines, deployed)


def programme(weeks: Sequence[Progress], plan: Plan) -> Scope:
    """What the final week compares: those metrics of the first block that a target is promised against."""
    named = {target.promised.against for target in plan.targets}
    blocks = [at for at in weeks if at.week.kind is WeekKind.BLOCK]
    metrics = [metric for metric in blocks[0].week.baseline if metric.slug in named] if blocks else []
    captured = blocks[0].done.baselines if blocks else {}
    deployed = [deployment.at for at in blocks for deployment in at.done.deployments]
    wanted = {metric.slug: captured[metric.slug] for metric in metrics if metric.slug in captured}
    return Scope(metrics, plan.targets, wanted, max(deployed, default=None))
