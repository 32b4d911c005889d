"""The nodes of a tier: how each answers, adding one, removing one."""

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.models import Person
from apps.accounts.policy import Permission, allow, permitted
from apps.ledger.chain import append
from apps.metrics import costs, removal
from apps.metrics.forms import NodeForm
from apps.metrics.models import Node, Tier


def _tier(slug: str) -> Tier:
    return get_object_or_404(Tier, slug=slug)


@allow(Permission.VIEW)
@require_GET
def nodes(request: HttpRequest, tier: str) -> HttpResponse:
    """All nodes of a tier with what they answered last."""
    found = _tier(tier)
    context = {
        "tier": found,
        "nodes": found.nodes.select_related("status"),
        "costs": costs.costs(found),
        "costs_say": costs.says(),
        "may_edit": permitted(request.user, Permission.EDIT_TIER, tier),
    }
    return render(request, "metrics/nodes.html", context)


@allow(Permission.EDIT_TIER)
@require_http_methods(["GET", "POST"])
def add(request: HttpRequest, tier: str) -> HttpResponse:
    """The form; a node that does not answer as what it was said to be is refused with the reason (422)."""
    found = _tier(tier)
    form = NodeForm(request.POST or None, tier=found)
    if request.method == "POST" and form.is_valid() and (node := _added(request, found, form)):
        messages.success(
            request, _("%(name)s was added; its first samples come with the next poll.") % {"name": node.name}
        )
        return redirect("metrics:nodes", tier=found.slug)
    status = 422 if request.method == "POST" else 200
    return render(request, "metrics/node_add.html", {"tier": found, "form": form}, status=status)


def _added(request: HttpRequest, tier: Tier, form: NodeForm) -> Node | None:
    """The node, recorded; None, and the form says so, when somebody was quicker with this name."""
    try:
        with transaction.atomic():
            node = form.save()
            body = {"name": node.name, "kind": node.kind, "role": node.role, "address": node.address}
            append(
                kind="node.add",
                subject=f"tier/{tier.slug}/{node.name}",
                actor=request.user.get_username(),
                body=body,
                tier=tier.slug,
            )
    except IntegrityError:
        if not Node.objects.filter(tier=tier, name=form.instance.name).exists():
            raise
        form.refuse_taken()
        return None
    return node


@allow(Permission.EDIT_TIER)
@require_POST
def remove(request: HttpRequest, tier: str, name: str) -> HttpResponse:
    """Stop watching a node: its name must be typed; its samples stay until their retention ends."""
    node, person = get_object_or_404(Node.objects.select_related("tier"), tier__slug=tier, name=name), request.user
    assert isinstance(person, Person)  # the policy lets nobody else through
    if request.POST.get("typed") != node.name:
        text = _("Nothing was removed: type the node's name, %(name)s, to confirm.")
        messages.error(request, text % {"name": node.name})
        return redirect("metrics:nodes", tier=tier)
    if not removal.remove(node, person):
        raise Http404("Somebody removed it in the meantime.")
    messages.success(request, _("%(name)s is no longer watched.") % {"name": name})
    return redirect("metrics:nodes", tier=tier)
