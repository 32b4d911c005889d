"""Faults that no story of its own tells: each makes the checks leave pass that it declares, and they pass again."""

import pytest

from apps.lab.faults import FAULTS
from apps.lab.proving import Prover, Trial
from apps.lab.tier import Lab
from apps.metrics.probe import SLOW
from apps.metrics.registry import checks
from tests.conftest import Inject
from tests.watch import STEP, Watch

NAMES = """broken-index cancel-reports crowd-pool crowd-redis cut-stream dead-rows detach-partition evict-statements fail-archiving
fall-behind half-detached hasty-checkpoints hoard-locks incomplete-index neglected-partitions old-snapshot outgrown-slot promote-replica-2
read-past-cache redundant-index slow-commands too-many-partitions unreplayed-week worn-sequence"""


@pytest.mark.parametrize("name", NAMES.split())
def test_it_fires_what_it_declares(watch: Watch, lab: Lab, fault: Inject, name: str) -> None:
    wanted = FAULTS[name].fires
    every = SLOW if all(checks()[check].stale_after > SLOW for check in wanted) else STEP
    prover = Prover(lab.servers, watch.tier, lambda: watch.poll(after=every), patience=20)
    told = [outcome.line() for outcome in prover.prove(Trial(FAULTS[name], wanted)) if not outcome.proved]
    assert not told, "\n".join(told)
