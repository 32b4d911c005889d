"""A node that let nobody in: what to do, and the exact lines where its own words tell which."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from apps.metrics.forms import WHAT_TO_DO
from apps.metrics.kernel import Failure, FailureKind, NodeKind
from apps.metrics.readers.trust import sslmode
from apps.overview.doctor.asked import Asked
from apps.overview.doctor.postgres_writes import name

AGAIN = "where the password was mistyped, remove the node and add it again"
OVER_TLS = "remove the node, and add it again with ?sslmode=verify-full at the end of its address."
PRIMARY = "On the primary, as a superuser:"


@dataclass(frozen=True, slots=True)
class Cure:
    """What is done about words of a node: `lines` of the login, the database and what the words matched; None: it is not for these."""

    words: str
    remedy: str
    lines: Callable[[str, str, re.Match[str]], tuple[str, ...] | None]


CURES = {
    NodeKind.POSTGRES: (
        Cure(
            "password authentication failed",
            f"Give it the password that the node was added with, in the place of … ({AGAIN}). {PRIMARY}",
            lambda login, _database, _said: (f"ALTER ROLE {name(login)} LOGIN PASSWORD '…';",),
        ),
        Cure(
            r"no pg_hba.conf entry for host \"([^\"]+)\"",
            "In pg_hba.conf of this very server, then reload it:",
            lambda login, database, said: _hba(login, database, said[1]),
        ),
        Cure(
            "no pg_hba.conf entry",
            "Let the portal's host in by pg_hba.conf of this very server, then reload it; look there which host that is.",
            lambda _login, _database, _said: (),
        ),
        Cure(
            "is not permitted to log in",
            PRIMARY,
            lambda login, _database, _said: (f"ALTER ROLE {name(login)} LOGIN;",),
        ),
        Cure(
            "role .* does not exist",
            f"With the node's password in the place of …. {PRIMARY}",
            lambda login, _database, _said: (f"CREATE ROLE {name(login)} LOGIN PASSWORD '…' IN ROLE pg_monitor;",),
        ),
        Cure(
            "permission denied for database",
            PRIMARY,
            lambda login, database, _said: (f"GRANT CONNECT ON DATABASE {name(database)} TO {name(login)};",),
        ),
        Cure(
            "too many connections for role",
            PRIMARY,
            lambda login, _database, _said: (f"ALTER ROLE {name(login)} CONNECTION LIMIT -1;",),
        ),
    ),
    NodeKind.PGBOUNCER: (
        Cure("SSL required", f"It admits over TLS only: {OVER_TLS}", lambda _login, _database, _said: ()),
        Cure(
            "not allowed",
            "In its pgbouncer.ini, beside those that are there; then RELOAD on its console:",
            lambda login, _database, _said: (f"stats_users = {login}",),
        ),
        Cure(
            "authentication failed|no such user",
            f"In its auth_file, with the node's password in the place of … ({AGAIN}); then RELOAD on its console:",
            lambda login, _database, _said: (f'"{login.replace(chr(34), chr(34) * 2)}" "…"',),
        ),
    ),
    NodeKind.REDIS: (
        Cure(
            "invalid username-password",
            f"Give it the password that the node was added with, in the place of … ({AGAIN}), and ACL SAVE:",
            lambda login, _database, _said: (f"ACL SETUSER {login or 'default'} on resetpass >…",),
        ),
        Cure(
            r"run the '([a-z|]+)' command",
            "With an administrator's login; then ACL SAVE, or write the same into its configuration:",
            lambda login, _database, said: (f"ACL SETUSER {login or 'default'} +{said[1]}",),
        ),
        Cure(
            "Authentication required",
            "Its address names no login and password: remove the node, and add it again with them.",
            lambda _login, _database, _said: (),
        ),
    ),
}


def cure(asked: Asked) -> tuple[str, tuple[str, ...]]:
    """What to do about a node that did not answer, and the lines to run."""
    failure, target = asked.polled.failure, asked.polled.target
    assert failure is not None
    database = unquote(urlsplit(asked.address).path.lstrip("/"))
    for known in CURES.get(target.kind, ()):
        if failure.kind is FailureKind.REFUSED and (said := re.search(known.words, failure.message)):
            lines = known.lines(asked.login, database, said)
            if lines is not None:
                return f"{_tls(asked, failure)}{known.remedy}", lines
    return str(WHAT_TO_DO.get(failure.kind, "")), ()


def _tls(asked: Asked, failure: Failure) -> str:
    """A server that admits over TLS only says no more of a login without than that there is no entry for it."""
    plain = "no encryption" in failure.message and sslmode(asked.address) == "disable"
    return f"Where it admits over TLS only, {OVER_TLS} Otherwise: " if plain else ""


def _hba(login: str, database: str, host: str) -> tuple[str, ...] | None:
    """
    A line for pg_hba.conf. None where `host` is no address: anybody may have said it who answers in the server's place.

    What follows a % is the zone of an address, which Python takes whatever it says, and pg_hba.conf does not know.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if "%" in host:
        return None
    line = f"host {_word(database)} {_word(login)} {address}/{address.max_prefixlen} scram-sha-256"
    return line, "SELECT pg_reload_conf();"


def _word(text: str) -> str:
    """A name as pg_hba.conf takes it: bare where it means itself."""
    return text if re.fullmatch(r"[a-z_][a-z0-9_]*", text) else f'"{text}"'
