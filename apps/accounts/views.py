"""The list of people, and one's own profile."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_http_methods

from apps.accounts.models import Person
from apps.accounts.policy import Permission, allow, signed_in


@allow(Permission.SEE_PEOPLE)
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Who is in the team: roles and how to reach them."""
    people = Person.objects.order_by("-is_active", "display_name", "username").prefetch_related("grants")
    return render(request, "accounts/people.html", {"people": people})


@signed_in
@require_http_methods(["GET", "HEAD"])
def me(request: HttpRequest) -> HttpResponse:
    """One's own profile: roles, contacts, sessions, password and second factor."""
    return render(request, "accounts/me.html", {})
