"""Every route × every role × htmx or not follows the policy it declares; the list is the resolver's own."""

from urllib.parse import urlsplit

import pytest
from django.http import Http404
from django.http.response import HttpResponseBase
from django.test import Client
from django.urls import NoReverseMatch, reverse

from apps.accounts.models import Person
from apps.accounts.policy import TABLE, Access, Policy
from apps.accounts.roles import Role
from apps.accounts.routes import Route, routes
from tests.people import log_in, make_person

SAMPLES = {"tier": "lab", "form": "csv", "runbook": "RB-1"}
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/people/?page=2"}
LOGIN = "/accounts/login/"


def arguments(route: Route) -> dict[str, str]:
    return {name: SAMPLES.get(name, "1") for name in route.arguments}


def address(route: Route) -> str:
    try:
        return reverse(route.name, kwargs=arguments(route))
    except NoReverseMatch:
        return reverse(route.name, kwargs={name: value + "-1" for name, value in arguments(route).items()})


def expected(policy: Policy, roles: list[Role], kwargs: dict[str, str]) -> int | None:
    """404, 403, or None where the view itself answers."""
    if policy.access is Access.CLOSED:
        return 404
    if policy.permission is None:
        return None
    try:
        tier = policy.tier(kwargs)
    except Http404:
        return 404
    if tier and not roles:
        return 404
    return None if any(policy.permission in TABLE[role] for role in roles) else 403


def asks_to_log_in(response: HttpResponseBase) -> bool:
    return response.status_code == 302 and urlsplit(response.headers["Location"]).path == LOGIN


@pytest.fixture
def browsers(cast: dict[Role, Person], stranger: Person) -> list[tuple[list[Role], Client]]:
    return [([role], log_in(person)) for role, person in cast.items()] + [([], log_in(stranger))]


@pytest.mark.timeout(300)  # some 1,500 requests
@pytest.mark.parametrize("htmx", [False, True], ids=["page", "htmx"])
def test_every_route_follows_its_policy_for_every_role(browsers: list[tuple[list[Role], Client]], htmx: bool) -> None:
    """Asked with PUT, which no view serves: policies are judged before methods, and no view does its work 13 times."""
    headers = HTMX if htmx else {}
    for route in routes():
        assert route.policy is not None
        url = address(route)
        for roles, browser in browsers:
            response = browser.put(url, headers=headers)
            case = f"{roles or 'stranger'} at {url}: {response.status_code}"
            wanted = expected(route.policy, roles, arguments(route))
            if wanted is not None:
                assert response.status_code == wanted, case
            else:
                assert response.status_code != 403, case
                assert not asks_to_log_in(response), case


def test_no_page_breaks_over_arguments_of_nothing(lead: Person) -> None:
    browser = log_in(lead)
    for route in routes():
        assert browser.get(address(route)).status_code < 500, route.pattern


def test_a_stranger_to_the_portal_is_asked_to_log_in_everywhere_else(db: None) -> None:
    for route in routes():
        assert route.policy is not None
        if route.policy.access is Access.PUBLIC:
            continue
        for method in ("get", "post"):
            url = address(route)
            plain = getattr(Client(), method)(url)
            within_page = getattr(Client(), method)(url, headers=HTMX)
            if route.policy.access is Access.CLOSED:
                assert (plain.status_code, within_page.status_code) == (404, 404), url
                continue
            assert asks_to_log_in(plain), f"{method} {url}: {plain.status_code}"
            assert within_page.status_code == 204, url
            assert within_page.headers["HX-Redirect"] == f"{LOGIN}?next=/people/%3Fpage%3D2", url
            assert "Location" not in within_page.headers, url


def test_somebody_of_another_tier_does_not_learn_that_this_one_exists(db: None) -> None:
    elsewhere = log_in(make_person("elsewhere", list(Role), tier_slug="staging"))
    for route in routes():
        if route.policy and route.policy.permission and "tier" in route.arguments:
            assert elsewhere.get(address(route)).status_code == 404, route.pattern
