"""A node that was asked: who it is, what it answered the doctor, and findings of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from apps.metrics.collect import NodePoll
from apps.metrics.kernel import NodeKind, Rows
from apps.overview.doctor.finding import Finding, State

OWN_LOGIN = "opsportal_poll"  # as the documents name it
SHARED = f"Where others use this login too, give the portal one of its own instead ({OWN_LOGIN} in docs/operating.md)."


@dataclass(frozen=True, slots=True)
class Asked:
    """One node of a tier, its address without the password, and how it answered: who it is, then, where it did, what the doctor asks
    (`own`) and what polls ask (`everyday`).
    """

    tier: str
    name: str
    address: str
    polled: NodePoll
    own: NodePoll | None = None
    everyday: NodePoll | None = None

    @property
    def kind(self) -> NodeKind:
        """What it was added as."""
        return self.polled.target.kind

    @property
    def login(self) -> str:
        """Whom the address names; empty for nobody."""
        return unquote(urlsplit(self.address).username or "")

    def rows(self, probe: str) -> Rows | None:
        """What a probe of the doctor's brought; None when it failed or was not asked."""
        answer = self.own.answers.get(probe) if self.own else None
        return None if answer is None or answer.failure else answer.rows

    def refused(self, probe: str) -> str:
        """Why a probe failed, in the server's words; empty when it did not."""
        answer = self.own.answers.get(probe) if self.own else None
        return answer.failure.message if answer and answer.failure else ""

    def finding(
        self, of: tuple[str, str], state: State, detail: str, remedy: str = "", commands: Sequence[str] = ()
    ) -> Finding:
        """A finding of this node; `of`: id and title."""
        return Finding(*of, state, detail, remedy, tuple(commands), tier=self.tier, node=self.name)
