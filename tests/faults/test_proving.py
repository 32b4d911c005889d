"""Faults that no story of its own tells: each makes the checks leave pass that it declares, and they pass again."""

import pytest

from apps.lab.faults import FAULTS
from apps.lab.proving import Prover, Trial
from apps.lab.tier import Lab
from apps.metrics import budget
from apps.metrics.models import Proof
from apps.metrics.probe import SLOW
from apps.metrics.registry import checks
from tests.conftest import Inject
from tests.watch import STEP, Watch

NAMES = """aged-database broken-index cancel-reports crowd-pool crowd-redis cut-stream dead-rows demote-redis
detach-partition enlarge-pool evict-statements fail-archiving fall-behind forgotten-maintenance fragment-redis
half-detached hasty-checkpoints hoard-locks incomplete-index neglected-partitions old-snapshot outgrown-slot
overlapping-partitions promote-replica-2 read-past-cache redundant-index shift-clock slow-commands too-many-partitions
unreplayed-week worn-sequence"""


@pytest.mark.parametrize("name", NAMES.split())
def test_it_fires_what_it_declares(watch: Watch, lab: Lab, fault: Inject, name: str) -> None:
    wanted = FAULTS[name].fires
    every = SLOW if all(checks()[check].stale_after > SLOW for check in wanted) else STEP
    prover = Prover(lab.servers, watch.tier, lambda: watch.poll(after=every), patience=20)
    told = [outcome.line() for outcome in prover.prove(Trial(FAULTS[name], wanted)) if not outcome.proved]
    assert not told, "\n".join(told)


def test_a_node_that_costs_too_much_to_watch_is_asked_less_until_it_does_not(
    watch: Watch, lab: Lab, fault: Inject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "CALM_WINDOWS", 1)
    name, often = "crowd-watchers", 3 * STEP  # sessions are counted once a minute
    prover = Prover(lab.servers, watch.tier, lambda: watch.poll(after=often), patience=20)
    told = prover.prove(Trial(FAULTS[name], FAULTS[name].fires))
    assert [(outcome.check, outcome.told) for outcome in told] == [("node.budget", ""), ("node.backed_off", "")]
    assert Proof.objects.get(check_id="node.budget").node == "lab-replica-2"
