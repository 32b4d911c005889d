"""A finding of the doctor's, and what all of them say together: a sentence, an exit status, a document for machines."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

FORMAT = "opsportal-doctor/1"


class State(StrEnum):
    """How something was found. UNKNOWN could not be examined, and is never taken for fine."""

    FINE = "fine"
    WARNING = "warning"
    FAILURE = "failure"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was examined.

    `id`: stable, for machines; `detail`: what was found; `remedy`: what to do, where there is something to do; `commands`: the lines to
    run for it, exactly; `tier` and `node`: of which, empty for the deployment as a whole.
    """

    id: str
    title: str
    state: State
    detail: str
    remedy: str = ""
    commands: tuple[str, ...] = ()
    tier: str = ""
    node: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All findings in the order in which they were made, when, and how long it took in seconds."""

    findings: Sequence[Finding]
    at: datetime
    seconds: float

    def of(self, state: State) -> list[Finding]:
        """Those in this state."""
        return [finding for finding in self.findings if finding.state is state]

    @property
    def state(self) -> State:
        """The worst: FAILURE, then WARNING, which is also what something UNKNOWN makes of the whole."""
        if self.of(State.FAILURE):
            return State.FAILURE
        return State.WARNING if self.of(State.WARNING) or self.of(State.UNKNOWN) else State.FINE

    @property
    def exit_status(self) -> int:
        """0 all fine, 1 warnings or something unknown, 2 failures."""
        return {State.FINE: 0, State.WARNING: 1, State.FAILURE: 2}[self.state]

    @property
    def sentence(self) -> str:
        """The verdict in words.

        >>> fine, bad = (Finding("a.b", "B", state, "") for state in (State.FINE, State.FAILURE))
        >>> Report([fine, bad, bad], datetime.now(), 1.23).sentence
        '2 failures and 1 fine, in 1.2 s. The portal does not work as it should until the failures are mended.'
        >>> Report([fine], datetime.now(), 0.1).sentence
        'All 1 fine, in 0.1 s.'
        """
        counts = Counter(finding.state for finding in self.findings)
        if self.state is State.FINE:
            return f"All {len(self.findings)} fine, in {self.seconds:.1f} s."
        words = {State.FAILURE: "failure", State.WARNING: "warning"}
        parts = [f"{counts[state]} {word}{'s'[: counts[state] != 1]}" for state, word in words.items() if counts[state]]
        parts += [f"{counts[state]} {state}" for state in (State.UNKNOWN, State.FINE) if counts[state]]
        told = f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else parts[0]
        after = {
            State.FAILURE: "The portal does not work as it should until the failures are mended.",
            State.WARNING: "The portal works; look at what is not fine before you rely on it.",
        }
        return f"{told}, in {self.seconds:.1f} s. {after[self.state]}"

    def document(self) -> dict[str, Any]:
        """For `--json`: the format is described in docs/operating.md, and only ever added to."""
        return {
            "format": FORMAT,
            "at": self.at.isoformat(),
            "seconds": round(self.seconds, 3),
            "state": self.state.value,
            "sentence": self.sentence,
            "counts": {state.value: len(self.of(state)) for state in State},
            "findings": [asdict(finding) for finding in self.findings],
        }
