"""What was signed: all sign-offs of a rollout, and one signature with its exact statement and whether it verifies now."""

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.assertion import Assertion, AssertionInvalid, to_bytes, verify_assertion
from apps.accounts.models import Person
from apps.accounts.policy import Permission, allow, permitted
from apps.accounts.request import PersonRequest
from apps.rollouts.definitions import since_signed
from apps.rollouts.forms import WhyForm
from apps.rollouts.models import Act, Draft, Rollout, Signature, Signed
from apps.rollouts.progress import progress
from apps.rollouts.reach import the_rollout, the_week, tier_of
from apps.rollouts.refusals import Refused
from apps.rollouts.statement import FORMAT
from apps.rollouts.waiving import propose_end, propose_waiver
from apps.rollouts.words import words


@dataclass(frozen=True, slots=True)
class Finding:
    """What verifying a signature found: the state to show and a sentence."""

    state: str
    text: str


def verified(signed: Signed) -> Finding:
    """Verify a passkey's signature from what is stored with it; of another say that there is nothing to verify."""
    if signed.passkey is None:
        return Finding("unknown", _("Server-attested: that it was them, only this server can say."))
    try:
        verify_assertion(assertion_of(signed), bytes(signed.statement))
    except AssertionInvalid as error:
        return Finding("fail", _("Does not verify: %(why)s.") % {"why": error})
    return Finding("pass", _("Verifies: this passkey signed exactly these bytes, and its holder was verified."))


def assertion_of(signed: Signed) -> Assertion:
    """The stored assertion of a signature that has one; raises AssertionInvalid when a part is malformed."""
    kept = signed.passkey or {}
    parts = ("credential_id", "public_key", "authenticator_data", "client_data", "signature")
    return Assertion(kept["rp_id"], kept["origin"], *(to_bytes(kept[name]) for name in parts))


@allow(Permission.VIEW, tier_of=tier_of)
@require_GET
def signature(request: PersonRequest, rollout: int, signature: int) -> HttpResponse:
    """One signature, standing or revoked: in words, byte for byte, verified now, and what changed since."""
    found = the_rollout(rollout)
    kept = get_object_or_404(Signature.objects.select_related("by", "revoked_by"), pk=signature, rollout=found)
    at = the_week(found, kept.week)
    now = next((s for s in at.slots if s.signature and s.signature.pk == kept.pk), None)
    context = {
        "rollout": found,
        "at": at,
        "signature": kept,
        "slot": next((s.off.title for s in at.slots if s.off.slug == kept.slot), kept.slot),
        "words": words(Act.SIGN, kept.said) if kept.said["format"] == FORMAT else None,
        "exact": bytes(kept.statement).decode(),
        "finding": verified(kept),
        "stale": bool(now and now.stale),
        "changes": since_signed(kept.said, at) if now and now.stale else (),
    }
    return render(request, "rollouts/signature.html", context)


@allow(Permission.VIEW, tier_of=tier_of)
@require_GET
def sign_offs(request: PersonRequest, rollout: int) -> HttpResponse:
    """Every slot of every week with who signed it and how, in the order of the plan; for printing too."""
    return sign_offs_page(request, the_rollout(rollout))


def sign_offs_page(request: PersonRequest, found: Rollout, problem: str = "", status: int = 200) -> HttpResponse:
    """The page, with what was refused."""
    weeks = progress(found)
    context = {
        "rollout": found,
        "weeks": weeks,
        "final": weeks[-1],
        "good": sum(slot.good for at in weeks for slot in at.slots),
        "all": sum(len(at.slots) for at in weeks),
        "may_waive": permitted(request.user, Permission.WAIVE, found.tier.slug),
        "past": found.waivers.exclude(ended_at=None).select_related("by", "ended_by"),
        "problem": problem,
    }
    return render(request, "rollouts/sign_offs.html", context, status=status)


@allow(Permission.WAIVE, tier_of=tier_of)
@require_POST
def waive_duties(request: PersonRequest, rollout: int) -> HttpResponse:
    """Draw up a waiver of the separation of duties."""
    return _draw(request, rollout, propose_waiver)


@allow(Permission.WAIVE, tier_of=tier_of)
@require_POST
def restore_duties(request: PersonRequest, rollout: int) -> HttpResponse:
    """Draw up the end of the waiver in force."""
    return _draw(request, rollout, propose_end)


def _draw(request: PersonRequest, rollout: int, propose: Callable[[Rollout, str, Person], Draft]) -> HttpResponse:
    found, form = the_rollout(rollout), WhyForm(request.POST)
    try:
        draft = propose(found, form.cleaned_data["why"] if form.is_valid() else "", request.user)
    except Refused as refused:
        return sign_offs_page(request, found, refused.message, refused.status)
    return redirect("rollouts:check", rollout=rollout, draft=draft.pk)
