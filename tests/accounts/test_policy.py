"""What a role may do, on which tier, and what it costs to ask."""

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import Person
from apps.accounts.policy import TABLE, Permission, permitted
from apps.accounts.roles import Role, may_see, roles_of, tiers_seen
from tests.people import Browser, MakePerson


def test_every_role_sees_the_portal_and_the_ledger() -> None:
    for role in Role:
        assert {Permission.VIEW, Permission.READ_LEDGER, Permission.SEE_PEOPLE} <= TABLE[role], role


def test_a_viewer_only_sees(viewer: Person) -> None:
    may = {permission for permission in Permission if permitted(viewer, permission)}
    assert may == {Permission.VIEW, Permission.READ_LEDGER, Permission.SEE_PEOPLE}


@pytest.mark.parametrize(
    ("permission", "roles"),
    [
        (Permission.DEPLOY, {Role.DEVOPS, Role.DBA, Role.BACKEND}),
        (Permission.EXPLAIN, {Role.DEVOPS, Role.DBA, Role.BACKEND, Role.LEAD}),
        (Permission.START_ROLLOUT, {Role.LEAD, Role.VP, Role.CTO, Role.PRODUCT}),
        (Permission.GRANT_ROLES, {Role.LEAD, Role.VP, Role.CTO}),
        (Permission.SEE_LOGS, {Role.DEVOPS, Role.DBA, Role.BACKEND, Role.LEAD, Role.CTO}),
        (Permission.TICK, {Role.QA, Role.DEVOPS, Role.DBA, Role.BACKEND, Role.LEAD}),
    ],
)
def test_what_decides_belongs_to_those_who_answer_for_it(permission: Permission, roles: set[Role]) -> None:
    assert {role for role in Role if permission in TABLE[role]} == roles


def test_a_role_on_one_tier_says_nothing_of_another(person: MakePerson) -> None:
    ann = person("ann", [Role.DBA], tier_slug="staging")
    assert roles_of(ann, "staging") == {Role.DBA}
    assert may_see(ann, "staging")
    assert not may_see(ann, "production")
    assert not permitted(ann, Permission.DEPLOY, "production")
    assert tiers_seen(ann) == frozenset({"staging"})


def test_a_role_on_every_tier_is_a_role_on_each(dba: Person) -> None:
    assert permitted(dba, Permission.DEPLOY, "whatever")
    assert tiers_seen(dba) is None


def test_asking_again_and_again_costs_one_query(dba: Person, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    fresh = Person.objects.get(pk=dba.pk)
    with django_assert_num_queries(1):
        for permission in Permission:
            permitted(fresh, permission, "lab")
            roles_of(fresh)


def test_a_disabled_person_holds_no_role(dba: Person) -> None:
    dba.is_active = False
    assert roles_of(dba) == frozenset()


def test_who_lacks_the_role_learns_which_one_and_whom_to_ask(stranger: Person, lead: Person, browser: Browser) -> None:
    lead.chat = "#leads"
    lead.save()
    response = browser(stranger).get("/people/")
    assert response.status_code == 403
    page = response.content.decode()
    assert "Viewer" in page
    assert "Lead · #leads" in page
    assert "manage.py people grant stranger" in page


def test_an_htmx_request_gets_the_reason_without_the_page_around_it(stranger: Person, browser: Browser) -> None:
    response = browser(stranger).get("/people/", headers={"HX-Request": "true"})
    assert response.status_code == 403
    assert b"<html" not in response.content
    assert b"Viewer" in response.content


def test_after_logging_in_one_is_where_one_wanted_to_go(db: None) -> None:
    response = Client().get("/people/?q=1")
    assert response.headers["Location"] == "/accounts/login/?next=/people/%3Fq%3D1"


def test_after_a_refused_post_one_does_not_land_on_an_address_that_only_takes_posts(db: None) -> None:
    assert Client().post("/people/").headers["Location"] == "/accounts/login/?next=/"
