"""A mistake in the policies is found before the portal starts."""

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings

from apps.accounts.policy import Permission, allow, public
from apps.accounts.routes import routes


def bare(request: HttpRequest) -> HttpResponse:
    return HttpResponse("unguarded")


@public
def open_to_all(request: HttpRequest) -> HttpResponse:
    return HttpResponse("open")


@allow(Permission.SIGN)
def sign(request: HttpRequest, week: str) -> HttpResponse:
    return HttpResponse(week)


@pytest.fixture
def urls(settings: Settings) -> Iterator[Any]:
    """Makes the portal serve these routes instead of its own."""

    def serve(*patterns: Any) -> None:
        module = ModuleType("tests_urls")
        module.urlpatterns = list(patterns)  # type: ignore[attr-defined]
        sys.modules["tests_urls"] = module
        routes.cache_clear()
        settings.ROOT_URLCONF = "tests_urls"

    yield serve
    sys.modules.pop("tests_urls", None)
    routes.cache_clear()


def found() -> dict[str, str]:
    return {message.id or "": message.msg for message in run_checks(tags=["security"])}


def test_the_portals_own_routes_are_without_fault() -> None:
    assert not [
        message for message in run_checks(tags=["security"]) if (message.id or "").startswith("opsportal.accounts.E")
    ]


def test_a_route_without_a_policy_is_an_error_and_the_portal_does_not_start(urls: Any) -> None:
    urls(path("bare/", bare, name="bare"), path("open/", open_to_all))
    assert "'bare/' (bare)" in found()["opsportal.accounts.E001"]
    assert "open/" not in found()["opsportal.accounts.E001"]
    with pytest.raises(ImproperlyConfigured, match="Routes without a policy: bare/"):
        Client().get("/open/")


def test_a_policy_without_a_route_is_an_error(urls: Any) -> None:
    urls(path("open/", open_to_all))
    assert "opsportal.accounts.E002" in found()


def test_a_decision_on_a_tier_that_names_none_is_warned_of(urls: Any) -> None:
    urls(path("weeks/<str:week>/", sign, name="sign"))
    assert "names no tier" in found()["opsportal.accounts.W001"]
