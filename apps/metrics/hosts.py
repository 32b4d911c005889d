"""Which hosts nodes may have (OPSPORTAL_NODE_HOSTS, and never the portal's own store), and who vouches for them (OPSPORTAL_NODE_CA)."""

import socket
from functools import cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings

from apps.metrics.readers.place import PORTS
from apps.metrics.readers.reach import Address, Reach, read


def reach() -> Reach:
    """What this portal connects to."""
    database = settings.DATABASES["default"]
    redis = urlsplit(settings.REDIS_URL)
    own = (
        (str(database.get("HOST") or ""), int(database.get("PORT") or PORTS["postgresql"])),
        (redis.hostname or "", redis.port or PORTS["redis"]),
    )
    return _reach(tuple(settings.NODE_HOSTS), own, settings.NODE_CA)


@cache
def _reach(words: tuple[str, ...], own: tuple[tuple[str, int], ...], roots: str) -> Reach:
    allowed = read(list(words))
    places = frozenset((address, port) for host, port in own for address in _addresses(host))
    return Reach(allowed.names, allowed.suffixes, allowed.networks, places, roots)


def _addresses(host: str) -> list[Address]:
    """Where a host of ours is; nowhere for a socket path, or for a name that is not known now."""
    if not host or host.startswith("/"):
        return []
    try:
        return [ip_address(str(where[0]).partition("%")[0]) for *_kind, where in socket.getaddrinfo(host, None)]
    except OSError:
        return []
