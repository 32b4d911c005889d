"""Signing: the vote, then the exact statement in words and its signature by passkey or password, then what happens next."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.accounts.passkeys import PasskeyRefused, options
from apps.accounts.policy import Permission, allow
from apps.accounts.recent import NotConfirmed
from apps.accounts.request import PersonRequest
from apps.rollouts.amending import amend
from apps.rollouts.ceremony import Proof, method_for, prove, the_draft
from apps.rollouts.definitions import since_signed
from apps.rollouts.forms import ConfirmForm, VoteForm, WhyForm
from apps.rollouts.models import Act, Draft, Method, Rollout, Signature
from apps.rollouts.progress import Progress, Slot
from apps.rollouts.reach import the_rollout, the_slot, the_week, tier_of
from apps.rollouts.refusals import Refused
from apps.rollouts.signing import held_up, hindrance, propose, propose_revocation, revoke, sign
from apps.rollouts.statement import Signer, Vote, statement
from apps.rollouts.views import week_page
from apps.rollouts.waiving import restore, waive
from apps.rollouts.words import words

ACTS: dict[str, Callable[[Draft, Proof], object]] = {
    Act.SIGN: sign,
    Act.REVOKE: revoke,
    Act.WAIVE: waive,
    Act.RESTORE: restore,
    Act.AMEND: amend,
}


@allow(Permission.SIGN, tier_of=tier_of)
@require_http_methods(["GET", "POST"])
def sign_slot(request: PersonRequest, rollout: int, week: str, slot: str) -> HttpResponse:
    """What a slot's signature would say, and the vote; a valid vote draws up the statement."""
    found = the_rollout(rollout)
    at = the_week(found, week)
    wanted = the_slot(at, slot)
    form, status = VoteForm(request.POST or None, initial={"decision": "reject" if held_up(at) else "approve"}), 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                vote = (form.cleaned_data["decision"], form.cleaned_data["reason"])
                draft = propose(found, at, wanted, request.user, vote)
                return redirect("rollouts:check", rollout=rollout, draft=draft.pk)
            except Refused as refused:
                form.add_error(None, refused.message)
                status = refused.status
    return render(request, "rollouts/sign.html", _vote_context(request, found, at, wanted, form), status=status)


def _vote_context(
    request: PersonRequest, found: Rollout, at: Progress, slot: Slot, form: VoteForm
) -> dict[str, object]:
    method = method_for(request.user, slot.off)
    vote = Vote(slot.off.roles[0].value, "approve", "")
    said = statement(found, at, slot.off, vote)
    signer = Signer(request.user.username, str(request.user), (method or Method.PASSKEY).value)
    said |= signer.envelope(found.started_at)
    last = max((s.signature for s in at.slots if s.signature), key=lambda one: one.at, default=None)
    return {
        "rollout": found,
        "at": at,
        "slot": slot,
        "form": form,
        "method": method,
        "hindrance": hindrance(found, at, slot, request.user),
        "held_up": held_up(at),
        "words": words(Act.SIGN, said),
        "last": last,
        "changes": since_signed(last.said, at) if last else (),
        "skipped": [tick for tick in at.done.ticks.values() if tick.outcome == "n/a"],
    }


@allow(Permission.SIGN, tier_of=tier_of)
@require_http_methods(["GET", "POST"])
def check(request: PersonRequest, rollout: int, draft: int) -> HttpResponse:
    """A statement that was drawn up, in words, to be signed once; then where the act leads."""
    try:
        found = the_draft(rollout, draft, request.user)
        problem = _attempt(request, found) if request.method == "POST" else ""
    except Refused as refused:
        return render(request, "rollouts/unsigned.html", _where(rollout, draft, refused), status=refused.status)
    if problem is None:
        return _afterwards(request, found)
    context = {
        "rollout": found.rollout,
        "draft": found,
        "words": words(Act(found.act), found.said),
        "exact": bytes(found.statement).decode(),
        "problem": problem,
        "method": found.said["method"],
        "options": options(request.user, bytes(found.statement)) if found.said["method"] == Method.PASSKEY else None,
    }
    return render(request, "rollouts/check.html", context, status=422 if problem else 200)


def _attempt(request: PersonRequest, draft: Draft) -> str | None:
    """Sign a draft; None when it was done, or why the person was not recognised. Raises Refused."""
    form = ConfirmForm(request.POST)
    try:
        proof = prove(request, draft, **(form.cleaned_data if form.is_valid() else {}))
    except (NotConfirmed, PasskeyRefused) as wrong:
        return wrong.message
    ACTS[draft.act](draft, proof)
    return None


def _where(rollout: int, draft: int, refused: Refused) -> dict[str, object]:
    return {"rollout": the_rollout(rollout), "draft": Draft.objects.get(pk=draft), "problem": refused.message}


def _afterwards(request: PersonRequest, draft: Draft) -> HttpResponse:
    match draft.act:
        case Act.SIGN:
            return redirect("rollouts:signed", rollout=draft.rollout_id, week=draft.week, slot=draft.slot)
        case Act.REVOKE:
            told = _("Your signature is revoked and stays on record; the weeks after this one wait for it.")
            messages.success(request, told)
            return redirect("rollouts:week", rollout=draft.rollout_id, week=draft.week)
        case Act.AMEND:
            messages.success(request, _("The week follows the newer definition now; it is signed and in the ledger."))
            return redirect("rollouts:week", rollout=draft.rollout_id, week=draft.week)
    messages.success(request, _("It is signed and stands in the ledger."))
    return redirect("rollouts:sign-offs", rollout=draft.rollout_id)


@allow(Permission.VIEW, tier_of=tier_of)
@require_GET
def signed(request: PersonRequest, rollout: int, week: str, slot: str) -> HttpResponse:
    """After signing: that it stands, and what happens next."""
    found = the_rollout(rollout)
    at = the_week(found, week)
    wanted = the_slot(at, slot)
    signature = get_object_or_404(Signature, rollout=found, week=week, slot=slot, revoked_at=None)
    waiting = [s for s in at.slots if not s.good]
    context = {"rollout": found, "at": at, "slot": wanted, "signature": signature, "waiting": waiting}
    return render(request, "rollouts/signed.html", context)


@allow(Permission.SIGN, tier_of=tier_of)
@require_POST
def revoke_signature(request: PersonRequest, rollout: int, week: str, slot: str) -> HttpResponse:
    """Draw up the statement that takes one's own signature back."""
    found, form = the_rollout(rollout), WhyForm(request.POST)
    signature = get_object_or_404(Signature, rollout=found, week=week, slot=slot, revoked_at=None)
    try:
        if not form.is_valid():
            raise Refused(_("Say why you revoke your signature."))
        draft = propose_revocation(found, the_week(found, week), signature, form.cleaned_data["why"], request.user)
    except Refused as refused:
        return week_page(request, found, week, refused.message, "signed", refused.status)
    return redirect("rollouts:check", rollout=rollout, draft=draft.pk)
