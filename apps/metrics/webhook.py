"""Posting to addresses that people typed: only where it may go, only to the address that was looked at, bounded in time and size."""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, urlsplit

import httpx
from django.conf import settings
from django.utils.translation import gettext as _

from apps.telemetry import correlation

WHOLE = 10.0  # seconds for one delivery, connecting and answering
MOST = 64 * 1024  # bytes of an answer that are read
LONGEST_PAUSE = 3600.0  # seconds that a receiver may ask to wait
UNICAST = ipaddress.ip_network("2000::/3")  # all of IPv6 that is the open internet


class Forbidden(Exception):
    """A webhook may not go there; the message says why and what to do, and repeats nothing of the address but its host."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the receiver said: its status code, and after how many seconds it wants to be asked again (429 and 503)."""

    status: int
    retry_after: float | None


def allowed(url: str) -> SplitResult:
    """
    The parts of an address that a webhook may have.

    Raises:
        Forbidden: no https (http is for hosts of OPSPORTAL_WEBHOOK_HOSTS only), a login in it, no host, or a port that is none.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise Forbidden(_("This is no web address. Write https://host/path.")) from error
    host = parts.hostname or ""
    if not host or any(character in url for character in "\\\r\n\t "):
        raise Forbidden(_("This is no web address. Write https://host/path."))
    if parts.scheme != "https" and not (parts.scheme == "http" and listed(host, port)):
        raise Forbidden(
            _(
                "A webhook's address starts with https://. Plain http goes only to hosts named in OPSPORTAL_WEBHOOK_HOSTS."
            )
        )
    if parts.username or parts.password:
        raise Forbidden(_("Leave login and password out of the address; webhooks are signed instead."))
    return parts


def listed(host: str, port: int | None) -> bool:
    """Whether whoever runs the portal named this host, or this host and port, in OPSPORTAL_WEBHOOK_HOSTS."""
    return bool({host, f"{host}:{port}"} & set(settings.WEBHOOK_HOSTS))


def resolve(parts: SplitResult) -> str:
    """
    The one address that a name stands for now and that will be connected to: asked once, so that a name cannot change its mind.

    Raises:
        Forbidden: it stands for an address inside (loopback, link-local, private, reserved) and is not listed.
        OSError: there is no such name, or nobody answers for it.
    """
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    if not listed(host, parts.port):
        refuse_inner(host, addresses)
    return addresses[0]


def refuse_inner(host: str, addresses: Sequence[str]) -> None:
    """Raises Forbidden where any of the addresses that a name stands for is inside: a name may have one of each."""
    if not all(map(public, addresses)):
        text = _(
            "%(host)s stands for an address inside your network. If that is meant, add it to OPSPORTAL_WEBHOOK_HOSTS; "
            "the portal posts to no inner address by itself."
        )
        raise Forbidden(text % {"host": host})


def public(address: str) -> bool:
    """Whether an address is one of the open internet, whichever way it is written.

    >>> [public(a) for a in ("8.8.8.8", "127.0.0.1", "169.254.169.254", "10.1.2.3", "::1", "::ffff:10.1.2.3", "64:ff9b::a01:203")]
    [True, False, False, False, False, False, False]
    >>> [public(a) for a in ("2606:4700::1", "64:ff9b::808:808", "::10.1.2.3", "fec0::1", "64:ff9b:1::a01:203")]
    [True, True, False, False, False]
    """
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        within = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if within is None and found in ipaddress.ip_network("64:ff9b::/96"):
            within = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if within is not None:
            return public(str(within))
        if found not in UNICAST:  # what Python does not know to be inside: site-local and embedding addresses of old
            return False
    return found.is_global and not found.is_multicast


def reach(parts: SplitResult, address: str, seconds: float) -> None:
    """
    Connect to exactly this address, TLS with the name's certificate included, and hang up: nothing is sent.

    Raises:
        OSError: it could not be reached within so many seconds, or its certificate is not the name's.
    """
    port = parts.port or (443 if parts.scheme == "https" else 80)
    with socket.create_connection((address, port), timeout=seconds) as plain:
        if parts.scheme == "https":
            httpx.create_ssl_context(trust_env=False).wrap_socket(plain, server_hostname=parts.hostname).close()


def post(parts: SplitResult, address: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    """
    Post to exactly this address, with the name for the certificate and the Host header; no redirect is followed, no proxy asked.

    Raises:
        httpx.HTTPError, TimeoutError: it could not be reached, or did not answer in time.
    """
    return asyncio.run(_post(parts, address, body, headers))


async def _post(parts: SplitResult, address: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    host, named = _ascii(parts.hostname or ""), _ascii(parts.netloc)
    at = f"[{address}]" if ":" in address else address
    url = httpx.URL(parts._replace(netloc=f"{at}:{parts.port}" if parts.port else at, fragment="").geturl())
    asked = httpx.Request(
        "POST", url, content=body, headers={**headers, "Host": named}, extensions={"sni_hostname": host}
    )
    async with (
        asyncio.timeout(WHOLE),
        httpx.AsyncClient(
            trust_env=False,
            timeout=WHOLE,
            follow_redirects=False,
            event_hooks={"request": [correlation.carry_async]},
        ) as client,
    ):
        answer = await client.send(asked, stream=True)
        try:
            read = 0
            async for part in answer.aiter_raw():
                read += len(part)
                if read > MOST:
                    break
        finally:
            await answer.aclose()
    return Answer(answer.status_code, _seconds(answer.headers.get("Retry-After", "")))


def _ascii(name: str) -> str:
    """A host as it is asked for on the wire. Raises UnicodeError for one that cannot be.

    >>> _ascii("exämple.org:8443"), _ascii("[::1]:80")
    ('xn--exmple-cua.org:8443', '[::1]:80')
    """
    return name if name.isascii() else name.encode("idna").decode()


def _seconds(text: str) -> float | None:
    """What Retry-After says, in seconds or as a date; None where it says neither.

    >>> _seconds("120"), _seconds("99999"), _seconds("Fri, 31 Dec 2100 23:59:59 GMT"), _seconds("soon"), _seconds("")
    (120.0, 3600.0, 3600.0, None, None)
    """
    if text.isascii() and text.isdecimal():
        return min(float(text), LONGEST_PAUSE)
    try:
        found = parsedate_to_datetime(text)
        after = (found.replace(tzinfo=found.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError):
        return None
    return min(max(after, 0.0), LONGEST_PAUSE)


def masked(error: Exception, secrets: Sequence[str]) -> str:
    """What went wrong, without anything of the address that is a key."""
    text = str(error) or type(error).__name__
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[masked]")
    return text[:300]
