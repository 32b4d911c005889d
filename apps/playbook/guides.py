"""What a playbook says beside the plan, as frozen values: runbook index, decision trees, quick reference; and the whole."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from apps.accounts.roles import Role
from apps.playbook.plan import CheckId, Plan, RunbookId, Slug, Week, Written


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook(Written):
    """An entry of the runbook index: `owners` do it, `proviso` is what must be agreed first.

    `minutes` is how long it takes at most, `minutes_least` at least where that is a range; without them its length varies.
    `page`: the page of a tier on which it is done, by the name of its route, such as queries:compare.
    """

    id: RunbookId
    title: str
    owners: tuple[Role, ...]
    when: str
    minutes: int | None = None
    minutes_least: int | None = None
    proviso: str = ""
    page: str = ""
    differs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbooks(Written):
    """The runbook index."""

    runbooks: tuple[Runbook, ...]


class Finding(StrEnum):
    """What a bound check must say for an answer to be the proposed one: GOOD is PASS, BAD is WARN or FAIL."""

    GOOD = "good"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch(Written):
    """One answer of a node and where it leads; `finding` proposes it from the node's check."""

    answer: str
    then: Slug
    finding: Finding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeNode(Written):
    """A question (with branches) or an end (without): what to do, by which runbooks. `week`: whose rollback it is."""

    slug: Slug
    text: str
    check: CheckId = ""
    branches: tuple[Branch, ...] = ()
    runbooks: tuple[RunbookId, ...] = ()
    week: Slug = ""
    how: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree(Written):
    """A decision tree; the first node is where one starts."""

    slug: Slug
    title: str
    when: str
    nodes: tuple[TreeNode, ...]

    def node(self, slug: str) -> TreeNode:
        """The node of that slug; raises KeyError when there is none."""
        return {node.slug: node for node in self.nodes}[slug]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact(Written):
    """A line of the escalation: who is called, after how long. Name and phone come from those who hold the role."""

    role: Role
    title: str
    after: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel(Written):
    """A chat channel and what it is for."""

    name: str
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Written):
    """A critical command, for copying; `where` says on which machine or console."""

    title: str
    command: str
    where: str
    differs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address(Written):
    """A useful page of the portal or of the application; `{tier}` stands for the tier's slug."""

    title: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reminder(Written):
    """What to think of before, during and after one block."""

    week: Slug
    before: str
    during: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickReference(Written):
    """What the printed page says apart from live data."""

    contacts: tuple[Contact, ...]
    channels: tuple[Channel, ...]
    commands: tuple[Command, ...]
    addresses: tuple[Address, ...]
    reminders: tuple[Reminder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of the playbook: its name relative to the folder and the SHA-256 of its bytes, in hexadecimal."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    """Everything that is written. `files` says which bytes it was read from and is no part of its meaning."""

    plan: Plan
    weeks: tuple[Week, ...]
    runbooks: tuple[Runbook, ...]
    trees: tuple[Tree, ...]
    reference: QuickReference
    files: tuple[File, ...] = field(default=(), compare=False, repr=False)

    def week(self, slug: str) -> Week:
        """The week of that slug; raises KeyError when there is none."""
        return {week.slug: week for week in self.weeks}[slug]

    def runbook(self, runbook_id: str) -> Runbook:
        """The runbook of that id; raises KeyError when there is none."""
        return {runbook.id: runbook for runbook in self.runbooks}[runbook_id]

    def tree(self, slug: str) -> Tree:
        """The tree of that slug; raises KeyError when there is none."""
        return {tree.slug: tree for tree in self.trees}[slug]
