"""Proving checks one after the other: put a fault in, wait until its checks fire, heal it, wait until they pass again.

The portal's own polls are the witness (`apps.metrics.proofs` writes what they see); this only breaks, heals and waits. It touches nothing
but the servers of the lab.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial

from django.db.models import QuerySet

from apps.lab import faults, trials
from apps.lab.faults import FAULTS, Fault
from apps.lab.servers import Servers
from apps.metrics import store
from apps.metrics.kernel import State, Verdict, worst
from apps.metrics.models import Proof, Tier
from apps.metrics.proofs import passes
from apps.metrics.registry import checks

PATIENCE = 90.0
"""Seconds that polls, connections and the tier's traffic are given, beyond what a check's question and its fault need by themselves."""


class NothingToProve(LookupError):
    """What was asked for cannot be proved; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A fault, and the checks that are to fire while it is in."""

    fault: Fault
    checks: tuple[str, ...]

    def seconds(self) -> float:
        """Until all of them were asked anew while the fault was in, and it lasted as long as it must."""
        return (max(checks()[check].stale_after for check in self.checks) + self.fault.after).total_seconds()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one check: `told` when it is not proved; seconds until it fired, and from healing until it passed."""

    check: str
    fault: str
    fired_after: float | None = None
    passed_after: float | None = None
    told: str = ""

    @property
    def proved(self) -> bool:
        """Whether it fired and passed again."""
        return not self.told

    def line(self) -> str:
        """The outcome as a line of the table."""
        times = (f"{word} after {seconds:.0f} s" if seconds is not None else "" for word, seconds in self._times())
        return f"{self.check:<30} {self.fault:<24} {'  '.join(f'{text:<18}' for text in times)}  {self.told}".rstrip()

    def _times(self) -> Iterator[tuple[str, float | None]]:
        yield "fired", self.fired_after
        yield "passed", self.passed_after


def trials_of(wanted: Sequence[str], only: str = "") -> tuple[list[Trial], list[str]]:
    """
    As few faults as fire all these checks (all that have one where none is named), the quickest first, and the checks that no fault fires.
    `only`: by this fault alone.

    Raises:
        NothingToProve: there is no check of such a name.
        UnknownFault: there is no fault of such a name.
    """
    for name in wanted:
        if name not in checks():
            near = get_close_matches(name, checks(), n=1)
            hint = f"Did you mean {near[0]}?" if near else "/catalogue/checks/ lists them."
            raise NothingToProve(f"There is no check {name!r}. {hint}")
    usable = [faults.named(only)] if only else list(FAULTS.values())
    open_ = dict.fromkeys(wanted or (check for fault in usable for check in fault.fires))
    found = []
    while fault := max(usable, key=lambda one: len(open_.keys() & one.fires), default=None):
        fired = tuple(check for check in fault.fires if check in open_)
        if not fired:
            break
        found.append(Trial(fault, fired))
        open_ = {check: None for check in open_ if check not in fired}
    return sorted(found, key=Trial.seconds), list(open_)


class Prover:
    """Runs trials on the lab's tier.

    `look` is called between two looks at the store: it waits, or polls. `patience`: seconds after which each wait is given up; without it
    what a check's question and its fault need, and PATIENCE.
    """

    def __init__(self, servers: Servers, tier: Tier, look: Callable[[], object], patience: float | None = None) -> None:
        self.servers, self.tier, self.look, self.patience = servers, tier, look, patience

    def ready(self) -> str:
        """Why nothing can be proved now; empty when all is well."""
        if not trials.is_lab(self.tier):
            return "The nodes of the tier `lab` in this portal are not the servers of this lab: nothing is broken."
        if active := faults.active(self.servers):
            return f"A fault is in already: {', '.join(active)}. `manage.py lab heal --all` undoes it."
        return ""

    def prove(self, trial: Trial) -> list[Outcome]:
        """Put the fault in and heal it, whatever happens. What the servers say when they refuse is raised."""
        name = trial.fault.name
        passing_now = partial(self._passing, trial.checks)
        self._until(lambda: len(passing_now()) == len(trial.checks), self._needs(trial))
        passing = passing_now()
        outcomes = {
            check: Outcome(check, name, told=f"NOT PROVEN: it does not pass before; it says {self._word(check)}")
            for check in trial.checks
            if check not in passing
        }
        if passing:
            fired, passed = self._broken(trial, passing)
            outcomes |= {check: self._outcome(trial, check, fired, passed) for check in passing}
        return [outcomes[check] for check in trial.checks]

    def _broken(self, trial: Trial, passing: set[str]) -> tuple[Mapping[str, float], Mapping[str, float]]:
        """Seconds until each check fired, and from healing until it passed again."""
        name, mine, begun = trial.fault.name, Proof.objects.none(), time.monotonic()
        fired, passed = dict[str, float](), dict[str, float]()
        try:
            faults.inject(self.servers, name)
            mine = Proof.objects.filter(tier=self.tier, fault=name, put_in_at=faults.active(self.servers)[name])
            seen = mine.filter(fired_at__isnull=False)
            self._until(lambda: _note(fired, seen, begun) >= passing, self._needs(trial))
        finally:
            healed = time.monotonic()
            faults.heal(self.servers, name)
        if fired:
            again = mine.filter(passed_at__isnull=False)
            self._until(lambda: _note(passed, again, healed) >= fired.keys(), self._needs(trial))
        return fired, passed

    def _outcome(self, trial: Trial, check: str, fired: Mapping[str, float], passed: Mapping[str, float]) -> Outcome:
        name = trial.fault.name
        if check not in fired:
            return Outcome(check, name, told=f"NOT PROVEN: it did not fire; it says {self._word(check)}")
        if check not in passed:
            told = f"NOT PROVEN: it did not pass again; it says {self._word(check)}"
            return Outcome(check, name, fired[check], told=told)
        return Outcome(check, name, fired[check], passed[check])

    def _needs(self, trial: Trial) -> float:
        return trial.seconds() + PATIENCE if self.patience is None else self.patience

    def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            self.look()

    def _said(self, checks_: Sequence[str]) -> dict[str, list[Verdict]]:
        said: dict[str, list[Verdict]] = {check: [] for check in checks_}
        for verdict in store.verdicts(self.tier):
            if verdict.check_id in said:
                said[verdict.check_id].append(verdict)
        return said

    def _passing(self, checks_: Sequence[str]) -> set[str]:
        return {check for check, found in self._said(checks_).items() if passes(found)}

    def _word(self, check: str) -> State:
        return worst([verdict.state for verdict in self._said([check])[check]])


def _note(seen: dict[str, float], proofs: QuerySet[Proof], begun: float) -> set[str]:
    """The checks of these proofs; the seconds are those until the portal knew."""
    for check in proofs.values_list("check_id", flat=True):
        seen.setdefault(check, time.monotonic() - begun)
    return set(seen)
