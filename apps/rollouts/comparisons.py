"""What the frozen comparison of a week says to its gate: one state, one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from apps.metrics.kernel import State
from apps.rollouts.models import Comparison

if TYPE_CHECKING:
    from apps.playbook.plan import Week
    from apps.rollouts.models import Rollout
    from apps.rollouts.progress import Done


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the comparison of a week stands. INCONCLUSIVE while there is none, or none since the last deployment."""

    state: State
    said: str


def compares(week: Week) -> bool:
    """Whether a week has anything to compare; one without has no such gate."""
    return bool(week.baseline or week.improvements)


def compared(done: Done) -> Standing:
    """The state and the sentence of the week's latest comparison; asks nothing of the store."""
    found = done.comparison
    if found is None:
        return Standing(State.INCONCLUSIVE, _("not compared yet"))
    if done.deployments and done.deployments[-1].at > found.at:
        return Standing(State.INCONCLUSIVE, _("deployed again since the comparison"))
    return Standing(State(found.state), found.said)


def latest(rollout: Rollout) -> list[Comparison]:
    """The comparison that stands in each week that has one, without its answers and samples: one query."""
    found = Comparison.objects.filter(rollout=rollout, superseded_at=None)
    return list(found.select_related("by").defer("results", "samples"))
