"""The list of people, and one's own profile."""

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from apps.accounts.models import Person, RoleGrant
from apps.accounts.policy import Permission, allow, signed_in


@allow(Permission.SEE_PEOPLE)
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Who is in the team: roles and how to reach them."""
    people = Person.objects.order_by("-is_active", "display_name", "username").prefetch_related("grants")
    return render(request, "accounts/people.html", {"people": people})


@signed_in
@require_GET
def me(request: HttpRequest) -> HttpResponse:
    """One's own profile: roles, contacts, sessions, password and second factor."""
    own = request.user.pk
    factors = Authenticator.objects.filter(user=own).exclude(type=Authenticator.Type.RECOVERY_CODES)
    context = {
        "grants": RoleGrant.objects.filter(person=own),
        "sessions": UserSession.objects.filter(user=own).order_by("-created_at"),
        "factors": sorted({str(factor.get_type_display()) for factor in factors}),
    }
    return render(request, "accounts/me.html", context)
