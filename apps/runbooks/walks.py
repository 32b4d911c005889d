"""Keeping a walk: beginning it, answering, ending it; each of them a ledger entry in the same transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts.models import Person
from apps.ledger.chain import append
from apps.metrics.models import Tier
from apps.playbook.guides import Tree, TreeNode
from apps.playbook.parse import tree_of
from apps.playbook.pin import content_of
from apps.playbook.read import Reader
from apps.runbooks.models import Walk, WalkAnswer, WalkOutcome
from apps.runbooks.walking import Path

LEAST_LENGTH = 5


class Refused(Exception):
    """Raised before anything is written. `message` is for the person; `status` is the HTTP status to answer with."""

    def __init__(self, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.message, self.status = message, status


@dataclass(frozen=True, slots=True)
class Given:
    """What a person answers at a node; `then` is the branch, empty to take an answer back."""

    node: str
    then: str
    note: str = ""


def tree_walked(walk: Walk) -> Tree:
    """The tree as it was written when the walk began. Raises Refused (409) when this version cannot read it."""
    reader = Reader({})
    tree = reader.read(Tree, tree_of(walk.definition, {}))
    if tree is None or reader.mistakes:
        text = _("This walk was kept by another version, whose tree this one cannot read: %(why)s")
        raise Refused(text % {"why": "; ".join(mistake.what for mistake in reader.mistakes)}, 409)
    return tree


def answers(walk: Walk) -> dict[str, WalkAnswer]:
    """The newest answer of each node: one query."""
    return {answer.node: answer for answer in walk.answers.select_related("by")}


def begin(tier: Tier, tree: Tree, by: Person) -> Walk:
    """Keep a walk from here on."""
    with transaction.atomic():
        walk = Walk.objects.create(tier=tier, tree=tree.slug, definition=content_of(tree), by=by, at=datetime.now(UTC))
        _enter(walk, tree, "walk.begin", by, {})
    return walk


def answer(walk: Walk, tree: Tree, given: Given, by: Person, now: Callable[[], Path]) -> WalkAnswer:
    """
    Keep a person's answer with what the walk had gathered; `now` tells its path, and is asked when nobody else can change it.

    Raises:
        Refused: the walk is over, the tree has no such node or branch, or the walk does not lead to it (409).
    """
    asked = _node(tree, given.node)
    known = {branch.then: branch.answer for branch in asked.branches}
    if given.then and given.then not in known:
        raise Refused(
            _("The question “%(text)s” has no such answer. Choose one of those shown.") % {"text": asked.text}
        )
    with transaction.atomic():
        _refuse_over(walk)
        path = now()
        if given.node not in {path.here.slug, *(step.node.slug for step in path.steps)}:
            text = _("The walk does not lead to “%(text)s” any more. Nothing was kept; look where it stands now.")
            raise Refused(text % {"text": asked.text}, 409)
        made = WalkAnswer.objects.create(
            walk=walk, node=given.node, then=given.then, note=given.note, by=by, at=datetime.now(UTC)
        )
        body = {"question": asked.text, "answer": known.get(given.then, _("taken back")), "note": given.note}
        _enter(walk, tree, "walk.answer", by, {**body, "evidence": path.evidence()})
    return made


def end(walk: Walk, tree: Tree, outcome: str, note: str, by: Person, now: Callable[[], Path]) -> None:
    """
    End a walk and freeze what it gathered; `now` as of `answer`.

    Raises:
        Refused: the walk is over already, or it is handed over without a word to whom.
    """
    if outcome not in WalkOutcome.values:
        raise Refused(_("Say whether it helped, or hand the walk over."))
    if outcome == WalkOutcome.HANDED_OVER and len(note.strip()) < LEAST_LENGTH:
        raise Refused(_("Say whom you told and what was tried, so that they can go on from here."))
    with transaction.atomic():
        _refuse_over(walk)
        walk.ended_at, walk.ended_by, walk.outcome, walk.note = datetime.now(UTC), by, outcome, note
        walk.evidence = now().evidence()
        walk.save(update_fields=["ended_at", "ended_by", "outcome", "note", "evidence"])
        label = str(WalkOutcome(outcome).label)
        _enter(walk, tree, "walk.end", by, {"outcome": label, "note": note, "evidence": walk.evidence})


def _refuse_over(walk: Walk) -> None:
    """Nobody else changes the walk until the transaction ends."""
    now = Walk.objects.select_for_update(of=("self",)).select_related("ended_by").get(pk=walk.pk)
    if now.ended_at:
        text = _("%(who)s ended this walk at %(when)s UTC. Begin another one to go on.")
        raise Refused(text % {"who": now.ended_by, "when": f"{now.ended_at.astimezone(UTC):%H:%M}"}, 409)


def _node(tree: Tree, slug: str) -> TreeNode:
    try:
        return tree.node(slug)
    except KeyError:
        text = _("The tree “%(tree)s” has no such question. Load the page again.")
        raise Refused(text % {"tree": tree.title}) from None


def _enter(walk: Walk, tree: Tree, kind: str, by: Person, body: dict[str, Any]) -> None:
    append(
        kind=kind,
        subject=f"walk/{walk.pk}",
        actor=by.username,
        body={"tree": tree.title, **body},
        tier=walk.tier.slug,
    )
