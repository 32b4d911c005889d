"""The people of the demo: one for every role, as a team of this size would have them."""

import secrets
from base64 import b32encode
from dataclasses import dataclass

from apps.accounts.roles import Role


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """Somebody who can log in to the demo. Phone numbers are of the range kept free for fiction."""

    username: str
    display_name: str
    role: Role
    phone: str
    chat: str


PEOPLE = (
    DemoPerson("noor", "Noor Haddad", Role.VIEWER, "+44 20 7946 0101", "@noor"),
    DemoPerson("jonas", "Jonas Lindqvist", Role.ON_CALL, "+44 20 7946 0102", "@jonas"),
    DemoPerson("priya", "Priya Raman", Role.QA, "+44 20 7946 0103", "@priya"),
    DemoPerson("mateo", "Mateo Rojas", Role.DEVOPS, "+44 20 7946 0104", "@mateo"),
    DemoPerson("ingrid", "Ingrid Solheim", Role.DBA, "+44 20 7946 0105", "@ingrid"),
    DemoPerson("kwame", "Kwame Boateng", Role.BACKEND, "+44 20 7946 0106", "@kwame"),
    DemoPerson("lucia", "Lucia Ferrari", Role.SUPPORT, "+44 20 7946 0107", "@lucia"),
    DemoPerson("henrik", "Henrik Vogel", Role.LEAD, "+44 20 7946 0108", "@henrik"),
    DemoPerson("amara", "Amara Okafor", Role.VP, "+44 20 7946 0109", "@amara"),
    DemoPerson("tomasz", "Tomasz Nowak", Role.CTO, "+44 20 7946 0110", "@tomasz"),
    DemoPerson("mei", "Mei Tanaka", Role.PRODUCT, "+44 20 7946 0111", "@mei"),
)


def new_password() -> str:
    """A random password of 80 bits that can be read out and typed, such as `k3xv-7qpd-m2fa-wz5e`."""
    letters = b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(letters[start : start + 4] for start in range(0, len(letters), 4))
