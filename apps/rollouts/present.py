"""The present gate of a week as its page shows it: what is missing, and which people can supply it."""

from dataclasses import dataclass

from apps.accounts.policy import roles_with
from apps.accounts.roles import Role
from apps.rollouts.gates import Gate, GateState, Part
from apps.rollouts.holders import Holders, names_of
from apps.rollouts.progress import Progress

MOST_MISSING = 6
MOST_PEOPLE = 8


@dataclass(frozen=True, slots=True)
class Present:
    """`missing`: the first of what is missing, `more`: how many besides; `people`: who hold one of the `roles` on the tier."""

    gate: Gate
    missing: tuple[Part, ...]
    more: int
    roles: tuple[str, ...]
    people: tuple[str, ...]
    more_people: int


def present(at: Progress, found: Holders) -> Present | None:
    """The gate that is next in an open week; None where nothing is."""
    gate = next_gate(at)
    if gate is None:
        return None
    roles = asked(at, gate)
    people = names_of(roles, found)
    return Present(
        gate,
        gate.missing[:MOST_MISSING],
        max(len(gate.missing) - MOST_MISSING, 0),
        tuple(str(role.label) for role in roles),
        people[:MOST_PEOPLE],
        max(len(people) - MOST_PEOPLE, 0),
    )


def next_gate(at: Progress) -> Gate | None:
    """The gate that an open week waits at; None where it waits at none."""
    return next((g for g in at.gates if g.state in {GateState.NOW, GateState.BLOCKED}), None) if at.open else None


def asked(at: Progress, gate: Gate) -> list[Role]:
    """The roles that can supply what a gate lacks."""
    if gate.slug != "signed":
        return roles_with(gate.permission)
    wanted = {role for slot in at.slots if not slot.good for role in slot.off.roles}
    return [role for role in Role if role in wanted]
