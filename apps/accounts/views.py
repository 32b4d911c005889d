"""The list of people, and one's own profile."""

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.accounts.forms import NoticesForm
from apps.accounts.models import Person, RoleGrant
from apps.accounts.notices import Choice, choose
from apps.accounts.places import places
from apps.accounts.policy import Permission, allow, signed_in
from apps.accounts.request import PersonRequest


@allow(Permission.SEE_PEOPLE)
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Who is in the team: roles and how to reach them."""
    people = Person.objects.order_by("-is_active", "display_name", "username").prefetch_related("grants")
    return render(request, "accounts/people.html", {"people": people})


@signed_in
@require_GET
def me(request: PersonRequest) -> HttpResponse:
    """One's own profile: roles, contacts, notices, sessions, password and second factor."""
    return _profile(request, NoticesForm(instance=request.user))


@signed_in
@require_POST
def choose_notices(request: PersonRequest) -> HttpResponse:
    """Choose whether and where one is told that it is one's turn; 422 with the reason for an address that is none."""
    form = NoticesForm(request.POST, instance=Person.objects.get(pk=request.user.pk))
    if not form.is_valid():
        return _profile(request, form, status=422)
    changed = choose(request.user, Choice(form.cleaned_data["email"], form.cleaned_data["tell_turns"]))
    messages.success(request, _("Saved.") if changed else _("Nothing was changed: it was so already."))
    return redirect("people:me")


def _profile(request: PersonRequest, form: NoticesForm, status: int = 200) -> HttpResponse:
    own = request.user.pk
    factors = Authenticator.objects.filter(user=own).exclude(type=Authenticator.Type.RECOVERY_CODES)
    context = {
        "grants": RoleGrant.objects.filter(person=own),
        "sessions": places(request.user)[::-1],
        "factors": sorted({str(factor.get_type_display()) for factor in factors}),
        "form": form,
        "mail": bool(settings.EMAIL_HOST),
    }
    return render(request, "accounts/me.html", context, status=status)
