"""Faults that no story of its own tells: each makes the checks leave pass that it declares, and they pass again."""

import pytest

from apps.lab.faults import FAULTS
from apps.lab.proving import Prover, Trial
from apps.lab.tier import Lab
from apps.metrics.probe import SLOW
from apps.metrics.registry import checks
from tests.conftest import Inject
from tests.watch import STEP, Watch

ASKED_OFTEN = [
    "cut-stream",
    "crowd-pool",
    "crowd-redis",
    "fall-behind",
    "hoard-locks",
    "slow-commands",
    "too-many-partitions",
    "unreplayed-week",
]
ASKED_SELDOM = [
    "broken-index",
    "dead-rows",
    "hasty-checkpoints",
    "incomplete-index",
    "redundant-index",
    "worn-sequence",
]


@pytest.mark.parametrize("name", [*ASKED_OFTEN, *ASKED_SELDOM])
def test_it_fires_what_it_declares(watch: Watch, lab: Lab, fault: Inject, name: str) -> None:
    every = SLOW if name in ASKED_SELDOM else STEP
    wanted = FAULTS[name].fires
    assert all((checks()[check].stale_after > SLOW) is (every == SLOW) for check in wanted)
    prover = Prover(lab.servers, watch.tier, lambda: watch.poll(after=every), patience=10)
    told = [outcome.line() for outcome in prover.prove(Trial(FAULTS[name], wanted)) if not outcome.proved]
    assert not told, "\n".join(told)
