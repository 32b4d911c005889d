"""Whether and where a person is told that it is their turn: they choose it themselves, on the record."""

from dataclasses import dataclass

from django.db import transaction

from apps.accounts.models import Person
from apps.ledger.chain import append


@dataclass(frozen=True, slots=True)
class Choice:
    """An address, which may be empty, and whether notices are wanted."""

    email: str
    tell_turns: bool


def choose(person: Person, choice: Choice) -> bool:
    """Keep what a person chose; returns whether it differs from before. The ledger tells whether they are told, not the address."""
    with transaction.atomic():
        held = Person.objects.select_for_update().get(pk=person.pk)
        if (held.email, held.tell_turns) == (choice.email, choice.tell_turns):
            return False
        held.email, held.tell_turns = choice.email, choice.tell_turns
        held.save(update_fields=["email", "tell_turns"])
        append(
            kind="people.notices",
            subject=f"people/{person.username}",
            actor=person.username,
            body={"username": person.username, "told": "yes" if held.told_by_mail else "no"},
        )
    return True
