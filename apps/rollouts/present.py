"""The present gate of a week as its page shows it: what is missing, and which people can supply it."""

from collections.abc import Sequence
from dataclasses import dataclass

from apps.accounts.policy import roles_with
from apps.accounts.roles import Role
from apps.playbook.plan import SignOff
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
    gate = next((g for g in at.gates if g.state in {GateState.NOW, GateState.BLOCKED}), None)
    if gate is None or not at.open:
        return None
    signing = gate.slug == "signed"
    roles = _signing([slot.off for slot in at.slots if not slot.good]) if signing else roles_with(gate.permission)
    people = names_of(roles, found)
    return Present(
        gate,
        gate.missing[:MOST_MISSING],
        max(len(gate.missing) - MOST_MISSING, 0),
        tuple(str(role.label) for role in roles),
        people[:MOST_PEOPLE],
        max(len(people) - MOST_PEOPLE, 0),
    )


def _signing(offs: Sequence[SignOff]) -> list[Role]:
    wanted = {role for off in offs for role in off.roles}
    return [role for role in Role if role in wanted]
