"""Decision trees that walk themselves: all of them, one as the checks answer it now, and walks that people keep and share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from django_htmx.http import HttpResponseClientRefresh

from apps.accounts.policy import Permission, allow, permitted
from apps.accounts.request import PersonRequest
from apps.metrics import context
from apps.metrics.kernel import Check, State, Verdict
from apps.metrics.models import Tier
from apps.metrics.pages import tier_of
from apps.metrics.present import polled
from apps.metrics.registry import checks
from apps.playbook.guides import Playbook, Tree
from apps.playbook.mistakes import PlaybookInvalid
from apps.playbook.validate import current
from apps.runbooks.escalation import lines
from apps.runbooks.forms import AnswerForm, EndForm
from apps.runbooks.models import Walk
from apps.runbooks.readings import readings
from apps.runbooks.walking import Path, walk
from apps.runbooks.walks import Given, Refused, answer, answers, begin, end, tree_walked

_MOST_WALKS = 20


def tier_of_walk(walk: int, **_rest: object) -> str:
    """The slug of a walk's tier; raises Http404 when there is no such walk."""
    found = Walk.objects.filter(pk=walk).values_list("tier__slug", flat=True).first()
    if found is None:
        raise Http404
    return found


@dataclass(frozen=True, slots=True)
class Shown:
    """A tree as one person sees it: the path, the walk it is kept in if any, and what is said back to learn whether there is news.

    `bad`: what warns or fails now and is no question on the path, with its check: nobody is led past it.
    """

    tree: Tree
    tier: Tier
    path: Path
    walk: Walk | None
    version: str
    reopened: str
    bad: tuple[tuple[Verdict, Check], ...]


def _playbook() -> Playbook | None:
    try:
        return current().playbook
    except PlaybookInvalid:
        return None


@allow(Permission.VIEW)
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """All trees, and the walks of this tier; 503 when the playbook cannot be used."""
    return _index(request)


def _index(request: HttpRequest, status: int = 200, lacking: str = "", problem: str = "") -> HttpResponse:
    playbook, tier = _playbook(), context.current_tier(request)
    walks = Walk.objects.filter(tier=tier).select_related("by", "ended_by")[:_MOST_WALKS] if tier else []
    page = {
        "tier": tier,
        "trees": playbook.trees if playbook else (),
        "walks": walks,
        "invalid": playbook is None,
        "lacking": lacking,
        "problem": problem,
    }
    return render(request, "runbooks/trees.html", page, status=status if playbook else 503)


@allow(Permission.VIEW)
@require_GET
def tree(request: PersonRequest, tree: str) -> HttpResponse:
    """A tree as the checks of the present tier answer it; nothing is kept until somebody answers. 404 with those there are for another."""
    playbook, tier = _playbook(), context.current_tier(request)
    if playbook is None or tier is None:
        return _index(request)
    if tree not in {known.slug for known in playbook.trees}:
        return _index(request, 404, tree)
    return _page(request, _shown(request, playbook.tree(tree), tier, None))


@allow(Permission.NOTE)
@require_POST
def begin_walk(request: PersonRequest, tree: str, tier: str) -> HttpResponse:
    """Keep a walk from here on, with its first answer if there is one."""
    playbook, found, form = _playbook(), tier_of(request, tier), AnswerForm(request.POST)
    if playbook is None:
        return _index(request)
    wanted = _tree(playbook, tree)
    if "node" not in request.POST:
        return redirect("trees:walk", walk=begin(found, wanted, request.user).pk)
    try:
        _refuse(form)
        path = _shown(request, wanted, found, None).path
        with transaction.atomic():  # an answer that is refused begins no walk
            kept = begin(found, wanted, request.user)
            answer(kept, wanted, Given(**form.cleaned_data), request.user, lambda: path)
    except Refused as refused:
        return _page(request, _shown(request, wanted, found, None), refused)
    return redirect("trees:walk", walk=kept.pk)


@allow(Permission.VIEW, tier_of=tier_of_walk)
@require_GET
def kept(request: PersonRequest, walk: int) -> HttpResponse:
    """A walk: where it stands now, or how it ended."""
    found = _walk(walk)
    if found.ended_at and request.htmx:
        return HttpResponseClientRefresh()
    try:
        tree = tree_walked(found)
    except Refused as refused:
        return _index(request, refused.status, problem=refused.message)
    if found.ended_at:
        page = {"walk": found, "tree": tree, "tier": found.tier, "lines": _lines(found.tier)}
        return render(request, "runbooks/walked.html", page)
    return _page(request, _shown(request, tree, found.tier, found))


@allow(Permission.NOTE, tier_of=tier_of_walk)
@require_POST
def answer_node(request: PersonRequest, walk: int) -> HttpResponse:
    """A person answers, differently or for the first time."""
    form = AnswerForm(request.POST)

    def act(found: Walk, tree: Tree) -> None:
        answer(found, tree, Given(**form.cleaned_data), request.user, lambda: _path(request, found, tree))

    return _act(request, walk, form, act)


@allow(Permission.NOTE, tier_of=tier_of_walk)
@require_POST
def end_walk(request: PersonRequest, walk: int) -> HttpResponse:
    """It helped, or somebody else takes over with the evidence gathered."""
    form = EndForm(request.POST)

    def act(found: Walk, tree: Tree) -> None:
        data = form.cleaned_data
        end(found, tree, data["outcome"], data["note"], request.user, lambda: _path(request, found, tree))

    return _act(request, walk, form, act)


def _path(request: PersonRequest, found: Walk, tree: Tree) -> Path:
    return _shown(request, tree, found.tier, found).path


def _act(request: PersonRequest, pk: int, form: forms.Form, act: Callable[[Walk, Tree], None]) -> HttpResponse:
    found = _walk(pk)
    try:
        tree = tree_walked(found)
    except Refused as refused:
        return _index(request, refused.status, problem=refused.message)
    try:
        _refuse(form)
        act(found, tree)
    except Refused as refused:
        return _page(request, _shown(request, tree, found.tier, found), refused)
    return redirect("trees:walk", walk=pk)


def _refuse(form: forms.Form) -> None:
    if not form.is_valid():
        field, errors = next(iter(form.errors.items()))
        raise Refused(f"{form.fields[field].label}: {errors[0]}")


def _walk(pk: int) -> Walk:
    return get_object_or_404(Walk.objects.select_related("tier", "by", "ended_by"), pk=pk)


def _tree(playbook: Playbook, slug: str) -> Tree:
    try:
        return playbook.tree(slug)
    except KeyError as error:
        raise Http404(_("The playbook has no tree %(slug)s.") % {"slug": slug}) from error


def _lines(tier: Tier) -> Any:
    playbook = _playbook()
    return lines(playbook, tier) if playbook else ()


def _shown(request: HttpRequest, tree: Tree, tier: Tier, kept: Walk | None) -> Shown:
    known = context.present_of(request, tier)
    said, reopened = answers(kept) if kept else {}, request.GET.get("at", "")
    newest = max((one.pk for one in said.values()), default=0)
    path = walk(tree, said, readings(tree, tier, known.verdicts), reopened)
    return Shown(tree, tier, path, kept, f"{known.version}-{newest}", reopened, _bad(path, known.verdicts))


def _bad(path: Path, found: Sequence[Verdict]) -> tuple[tuple[Verdict, Check], ...]:
    asked = {step.node.check for step in path.steps} | {path.here.check}
    bad = [v for v in found if v.state in {State.FAIL, State.WARN} and v.check_id not in asked]
    known = [(verdict, checks()[verdict.check_id]) for verdict in sorted(bad, key=lambda v: v.state is State.WARN)]
    return tuple((verdict, check) for verdict, check in known if not check.shadow)


def _page(request: PersonRequest, shown: Shown, refused: Refused | None = None) -> HttpResponse:
    """The page; asked by htmx, its live part, and the question's form only where another question is asked than before."""
    if request.htmx and request.GET.get("version") == shown.version:
        return HttpResponse(status=204)
    here = shown.path.here.slug
    page = {
        "shown": shown,
        "path": request.path if request.method == "GET" else _address(shown),
        "polled_at": polled(context.present_of(request, shown.tier).nodes),
        "may_walk": permitted(request.user, Permission.NOTE, shown.tier.slug),
        "anew": request.GET.get("asked") != here,
        "problem": refused.message if refused else "",
    }
    if request.htmx:
        return render(request, "runbooks/tree.html#live", page)
    page["lines"] = _lines(shown.tier)
    return render(request, "runbooks/tree.html", page, status=refused.status if refused else 200)


def _address(shown: Shown) -> str:
    if shown.walk:
        return reverse("trees:walk", args=[shown.walk.pk])
    return reverse("trees:tree", args=[shown.tree.slug])
