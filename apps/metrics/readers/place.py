"""Where a node is now: its name is resolved and judged, and the connection made to the addresses that were judged.

A name that answers otherwise a moment later (DNS rebinding) therefore leads nowhere else.
"""

import asyncio
import socket
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit, urlunsplit

from apps.metrics.kernel import FailureKind
from apps.metrics.readers.base import Target, Unreadable
from apps.metrics.readers.reach import Address

PORTS = {"postgresql": 5432, "postgres": 5432, "redis": 6379, "rediss": 6379, "http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Place:
    """A host with the addresses that it may be reached at now."""

    host: str
    port: int
    addresses: tuple[str, ...]

    @property
    def hosts(self) -> str:
        """The host as often as there are addresses, as libpq wants it; it stays for the certificate."""
        return ",".join(self.host for _ in self.addresses)

    @property
    def hostaddr(self) -> str:
        """The addresses as libpq wants them: it then asks no name server."""
        return ",".join(self.addresses)

    def instead(self, url: str) -> str:
        """The URL with the first address in the place of its host."""
        parts = urlsplit(url)
        user, at, _where = parts.netloc.rpartition("@")
        address = self.addresses[0]
        where = f"[{address}]" if ":" in address else address
        return urlunsplit(parts._replace(netloc=f"{user}{at}{where}:{self.port}"))


async def place(target: Target) -> Place:
    """Resolve and judge the host of a node. Raises Unreadable: UNREACHABLE for a name nobody knows, DENIED when any of its addresses is
    refused.
    """
    parts = urlsplit(target.url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    try:
        found: list[Address] = [ip_address(host)]
    except ValueError:
        found = await _resolve(host, port)
    for address in found:
        if told := target.reach.refusal(host, address, port):
            raise Unreadable(FailureKind.DENIED, f"Not connected: {told}")
    return Place(host, port, tuple(str(address) for address in found))


async def _resolve(host: str, port: int) -> list[Address]:
    try:
        told = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreadable(FailureKind.UNREACHABLE, f"No connection: the name {host} is not known.") from error
    return list(dict.fromkeys(ip_address(str(where[0]).partition("%")[0]) for *_kind, where in told))
