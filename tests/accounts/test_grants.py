"""Changing roles: each change is on the record, and `manage.py people` says clearly what is wrong."""

import io
import sys
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.accounts import grants
from apps.accounts.models import Person
from apps.accounts.roles import Role, roles_of
from apps.ledger.models import Entry
from tests.people import PASSWORD


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A password on standard input."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(PASSWORD + "\n"))


def people(*words: str) -> str:
    out = io.StringIO()
    call_command("people", *words, stdout=out)
    return out.getvalue()


def latest() -> Entry:
    return Entry.objects.latest("seq")


def test_a_grant_is_on_the_record_with_who_gave_what_to_whom(qa: Person, lead: Person) -> None:
    grants.grant(qa, Role.DBA, "staging", by=lead)
    assert roles_of(Person.objects.get(pk=qa.pk), "staging") == {Role.QA, Role.DBA}
    entry = latest()
    assert (entry.kind, entry.actor, entry.subject, entry.tier) == ("people.grant", "lead", "people/qa", "staging")
    assert entry.sentence == "lead granted qa the role dba on staging."


def test_a_revocation_is_on_the_record_and_the_grant_is_gone(qa: Person) -> None:
    grants.revoke(qa, Role.QA)
    assert roles_of(Person.objects.get(pk=qa.pk)) == frozenset()
    assert latest().sentence == "system revoked qa's role qa on every tier."


def test_disabling_and_enabling_are_on_the_record(qa: Person) -> None:
    grants.disable(qa)
    grants.enable(qa)
    kinds = Entry.objects.filter(subject="people/qa").order_by("seq").values_list("kind", flat=True)
    assert list(kinds) == ["people.disable", "people.enable"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda qa: grants.grant(qa, Role.QA), "holds the role qa on every tier already"),
        (lambda qa: grants.grant(qa, Role.DBA, "no slug"), "is no tier"),
        (
            lambda qa: grants.revoke(qa, Role.QA, "staging"),
            "does not hold the role qa on staging. Roles held: qa on every tier",
        ),
        (grants.enable, "is not disabled"),
        (lambda _: grants.add(grants.Newcomer("QA", PASSWORD)), "a person named QA already"),
        (lambda _: grants.add(grants.Newcomer("system", PASSWORD)), "stands for the portal itself"),
        (lambda _: grants.add(grants.Newcomer("a b", PASSWORD)), "valid username"),
        (lambda _: grants.add(grants.Newcomer("eve", "short")), "too short"),
        (lambda qa: grants.set_password(qa, "password1234"), "too common"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_reason_and_changes_nothing(qa: Person, change: Any, reason: str) -> None:
    before = Entry.objects.count(), Person.objects.count(), [str(grant) for grant in qa.grants.all()]
    with pytest.raises(grants.Refused, match=reason.replace(".", r"\.")):
        change(qa)
    assert (Entry.objects.count(), Person.objects.count(), [str(grant) for grant in qa.grants.all()]) == before


def test_a_disabled_person_gets_no_role(qa: Person) -> None:
    grants.disable(qa)
    with pytest.raises(grants.Refused, match="Enable them first"):
        grants.grant(qa, Role.DBA)


def test_a_person_is_added_with_roles_from_the_command_line(db: None, typed: None) -> None:
    said = people("add", "ann", "--name", "Ann Other", "--chat", "@ann", "--role", "dba", "--role", "qa")
    assert "Added ann (dba, qa)" in said
    ann = Person.objects.get(username="ann")
    assert ann.check_password(PASSWORD)
    assert roles_of(ann) == {Role.DBA, Role.QA}
    assert "Ann Other" in people("list")
    assert PASSWORD not in "".join(bytes(entry.body).decode() for entry in Entry.objects.all())


def test_roles_are_granted_and_revoked_from_the_command_line(qa: Person) -> None:
    assert "qa now holds dba on lab" in people("grant", "qa", "dba", "--tier", "lab")
    assert "dba on lab" in people("list")
    assert "no longer holds dba on lab" in people("revoke", "qa", "dba", "--tier", "lab")
    assert "[disabled]" in people("disable", "qa") + people("list")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["grant", "qe", "dba"], "There is no person named qe. Do you mean qa?"),
        (["grant", "zz", "dba"], "people list"),
        (["grant", "qa", "dbs"], "There is no role 'dbs'. Do you mean dba?"),
        (["revoke", "qa", "dba"], "does not hold the role dba"),
        (["disable", "nobody"], "There is no person named nobody"),
    ],
)
def test_mistakes_on_the_command_line_are_explained(qa: Person, words: list[str], reason: str) -> None:
    with pytest.raises(CommandError) as caught:
        people(*words)
    assert reason in str(caught.value)


def test_a_mistaken_role_adds_nobody(db: None, typed: None) -> None:
    with pytest.raises(CommandError, match="no role 'nonsense'"):
        people("add", "ann", "--role", "nonsense")
    assert not Person.objects.filter(username="ann").exists()
