"""Addresses of nodes: what may be typed, and how their passwords are kept (encrypted with settings.FIELD_KEY)."""

from urllib.parse import quote, unquote, urlsplit, urlunsplit

import psycopg
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.utils.translation import gettext as _
from psycopg.conninfo import conninfo_to_dict

from apps.metrics.kernel import NodeKind

SCHEMES = {
    NodeKind.POSTGRES: ("postgresql", "postgres"),
    NodeKind.PGBOUNCER: ("postgresql", "postgres"),
    NodeKind.REDIS: ("redis", "rediss"),
    NodeKind.APPLICATION: ("http", "https"),
}
OF_POSTGRES = {NodeKind.POSTGRES, NodeKind.PGBOUNCER}
QUERY_ALLOWED = {"", "sslmode=disable", "sslmode=prefer", "sslmode=require", "sslmode=verify-ca", "sslmode=verify-full"}


def split(kind: NodeKind, url: str) -> tuple[str, str]:
    """`(address without password, password)` of a typed URL.

    Raises ValidationError, without repeating the password, for a scheme that is not this kind's, a missing host, a socket path, options
    that would read files of this host, or characters that no client of such a server can read.
    """
    schemes = SCHEMES[kind]
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise ValidationError(_("The port must be a number from 1 to 65535.")) from error
    if parts.scheme not in schemes:
        example = f"{schemes[0]}://user:password@host:port/" + ("messaging" if kind is NodeKind.POSTGRES else "")
        raise ValidationError(
            _("A %(kind)s node has an address that starts with %(scheme)s://, like %(example)s."),
            params={"kind": kind.value, "scheme": schemes[0], "example": example},
        )
    if not parts.hostname or "%" in parts.hostname or "," in parts.netloc:  # %2F, %40: sockets
        raise ValidationError(_("Name one host, as host:port; sockets and lists of hosts are not accepted."))
    if kind in OF_POSTGRES and parts.query not in QUERY_ALLOWED:
        raise ValidationError(
            _("Of connection options only sslmode is accepted; remove what follows the question mark.")
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    where = f"{host}:{port}" if port else host
    user = f"{parts.username}@" if parts.username else ""
    query = parts.query if kind in OF_POSTGRES else ""
    address = urlunsplit((parts.scheme, user + where, parts.path, query, ""))
    if not _readable(kind, address, parts.password or ""):
        text = _(
            "A part of the address cannot be read. Write special characters as UTF-8 with percent signs, such as %20 for a blank and "
            "%25 for a percent sign; null characters are not accepted."
        )
        raise ValidationError(text)
    return address, unquote(parts.password or "")


def _readable(kind: NodeKind, address: str, password: str) -> bool:
    """Whether the clients of such a server can make something of both."""
    try:
        said = unquote(address, errors="strict") + unquote(password, errors="strict")
        if kind in OF_POSTGRES:
            conninfo_to_dict(address)
    except (UnicodeDecodeError, psycopg.ProgrammingError):
        return False
    return "\0" not in said and (address + password).isprintable()


def seal(password: str) -> str:
    """The password encrypted; empty stays empty. Raises ImproperlyConfigured when there is no key."""
    return _fernet().encrypt(password.encode()).decode() if password else ""


def unseal(sealed: str) -> str:
    """What was sealed; empty stays empty. Raises ImproperlyConfigured when it was sealed with another key."""
    if not sealed:
        return ""
    try:
        return _fernet().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise ImproperlyConfigured(
            "OPSPORTAL_FIELD_KEY is not the key that the nodes' passwords were stored with. "
            "Restore the old key, or enter the passwords again."
        ) from error


def whole(address: str, sealed: str) -> str:
    """The URL with its password, for connecting only.

    Raises ImproperlyConfigured when the password was sealed with another key.
    """
    if not sealed:
        return address
    password = unseal(sealed)
    parts = urlsplit(address)
    user, _at, where = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{where}"))


def _fernet() -> Fernet:
    try:
        return Fernet(settings.FIELD_KEY)
    except ValueError as error:
        raise ImproperlyConfigured(
            "OPSPORTAL_FIELD_KEY must be a Fernet key: 32 random bytes in URL-safe base64. See .env.example."
        ) from error
