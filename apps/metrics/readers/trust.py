"""Whose word on a node's certificate counts, and what is said when a node has none that is believed.

With PostgreSQL and PgBouncer the address says how much is asked of the certificate (`sslmode`); with Redis and HTTP over TLS it always
has to name the host and be signed by somebody who is believed: the system's authorities, and those of `Reach.roots`.
"""

import re
import ssl
from collections.abc import Iterator
from functools import cache
from os import environ
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from apps.metrics.kernel import FailureKind
from apps.metrics.readers.base import Unreadable

PLAIN = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}
"""What OpenSSL says of an answer that is no TLS."""
WHO_RUNS_IT = "Whoever runs the portal names the file with its authority's certificate in OPSPORTAL_NODE_CA."
_LIBPQ = re.compile(r"root certificate file .*|.*SSL.*|.*certificate.*|.*sslmode.*")


def sslmode(url: str) -> str:
    """How much an address of PostgreSQL or PgBouncer asks of TLS.

    >>> sslmode("postgresql://poll@db/app?sslmode=verify-full"), sslmode("postgresql://poll@db/app")
    ('verify-full', 'prefer')
    """
    return parse_qs(urlsplit(url).query).get("sslmode", ["prefer"])[0]


def proven(url: str) -> bool:
    """Whether a connection to this address is made only where a certificate proves who answers."""
    return urlsplit(url).scheme in {"rediss", "https"} or sslmode(url).startswith("verify")


def for_libpq(url: str, roots: str) -> str | None:
    """What libpq is given as `sslrootcert`. Only where it verifies: it would begin to, once it is given a file.

    Without a file of ours its own counts (PGSSLROOTCERT, ~/.postgresql/root.crt), then the system's authorities.
    """
    if not sslmode(url).startswith("verify"):
        return None
    if roots:
        return roots
    own = environ.get("PGSSLROOTCERT") or _own_file()
    return None if own or sslmode(url) != "verify-full" else "system"


def _own_file() -> bool:
    try:
        return (Path.home() / ".postgresql" / "root.crt").exists()
    except RuntimeError:  # a user without a home
        return False


@cache
def context(roots: str) -> ssl.SSLContext:
    """For HTTP over TLS."""
    found = ssl.create_default_context()
    if roots:
        found.load_verify_locations(roots)
    return found


def distrust(error: BaseException) -> Unreadable | None:
    """What a failure of TLS, or one that it caused, means; None for any other."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            told = cause.verify_message.rstrip(".")
            return _another(told) if "mismatch" in told else _unknown(told)
        if isinstance(cause, ssl.SSLError) and cause.reason in PLAIN:
            return no_tls()
    return None


def distrust_of_libpq(said: str) -> Unreadable | None:
    """The same of a line of libpq's."""
    if "does not support SSL" in said:
        return no_tls()
    if "does not match host name" in said:
        return _another(said)
    if "certificate" in said and _LIBPQ.fullmatch(said):
        return _unknown(said.removeprefix("SSL error: "))
    if 'sslmode "verify-ca"' in said:
        return _unknown("the system's authorities are believed with sslmode=verify-full only")
    return None


def no_tls() -> Unreadable:
    """The address demands TLS, and who answers does not speak it."""
    told = "Not connected: its address demands TLS, which is not spoken there. Switch TLS on there, or correct the address."
    return Unreadable(FailureKind.DENIED, told)


def _unknown(told: str) -> Unreadable:
    return Unreadable(FailureKind.DENIED, f"Not connected: its certificate is not believed ({told}). {WHO_RUNS_IT}")


def _another(told: str) -> Unreadable:
    remedy = "Add the node by a name that its certificate has, or give it a certificate for this one."
    return Unreadable(FailureKind.DENIED, f"Not connected: its certificate is not this host's ({told}). {remedy}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
