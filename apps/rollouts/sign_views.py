"""Signing a week: the statement in words first, then the password; revoking."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from apps.accounts.policy import Permission, allow
from apps.accounts.recent import NotConfirmed, require_password
from apps.accounts.request import PersonRequest
from apps.rollouts.forms import RevokeForm, SignForm
from apps.rollouts.models import Signature
from apps.rollouts.reach import the_rollout, the_slot, the_week, tier_of
from apps.rollouts.refusals import Refused
from apps.rollouts.signing import hindrance, revoke, sign
from apps.rollouts.views import week_page


@allow(Permission.SIGN, tier_of=tier_of)
@require_http_methods(["GET", "POST"])
def sign_slot(request: PersonRequest, rollout: int, week: str, slot: str) -> HttpResponse:
    """The statement of a slot and, with the password entered again, its signature."""
    found = the_rollout(rollout)
    at = the_week(found, week)
    wanted = the_slot(at, slot)
    form, status = SignForm(request.POST or None, initial={"seen": at.covers, "decision": "approve"}), 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                require_password(request, form.cleaned_data["password"])
                data = form.cleaned_data
                sign(
                    found,
                    at,
                    wanted,
                    request.user,
                    decision=data["decision"],
                    reason=data["reason"],
                    seen=data["seen"],
                )
                messages.success(
                    request, _("You signed %(week)s as %(slot)s.") % {"week": at.week.title, "slot": wanted.off.title}
                )
                return redirect("rollouts:week", rollout=rollout, week=week)
            except NotConfirmed as wrong:
                form.add_error("password", wrong.message)
            except Refused as refused:
                form.add_error(None, refused.message)
                status = refused.status
    why = hindrance(found, at, wanted, request.user)
    open_issues = [issue for issue in at.done.issues if issue.resolved_at is None]
    skipped = [tick for tick in at.done.ticks.values() if tick.outcome == "n/a"]
    context = {
        "rollout": found, "at": at, "slot": wanted, "form": form, "hindrance": why, "open_issues": open_issues, "skipped": skipped,
    }  # fmt: skip
    return render(request, "rollouts/sign.html", context, status=status)


@allow(Permission.SIGN, tier_of=tier_of)
@require_POST
def revoke_signature(request: PersonRequest, rollout: int, week: str, slot: str) -> HttpResponse:
    """Take one's own signature back."""
    found, form = the_rollout(rollout), RevokeForm(request.POST)
    signature = get_object_or_404(Signature, rollout=found, week=week, slot=slot, revoked_at=None)
    try:
        if not form.is_valid():
            raise Refused(_("Say why you revoke your signature, and enter your password."))
        require_password(request, form.cleaned_data["password"])
        revoke(found, the_week(found, week), signature, form.cleaned_data["why"], request.user)
    except NotConfirmed as wrong:
        return week_page(request, found, week, wrong.message, "signed", 422)
    except Refused as refused:
        return week_page(request, found, week, refused.message, "signed", refused.status)
    messages.success(request, _("Your signature is revoked and stays on record; the weeks after this one wait for it."))
    return redirect("rollouts:week", rollout=rollout, week=week)
