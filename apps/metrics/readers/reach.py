"""Which hosts the portal connects to: pure judgement of a host and its resolved address."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# Where clouds tell a machine its secrets, beside the link-local 169.254.169.254.
METADATA = frozenset(map(ip_address, ("100.100.100.200", "168.63.129.16", "fd00:ec2::254")))
NAT64 = ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Reach:
    """What may be connected to: with nothing listed every host but those that are never a node (see `refusal`).

    `names`: hosts; `suffixes`: ends of names, such as `.db.example.org`; `networks`: of resolved addresses. `own`: address and port of
    what belongs to the portal itself. `roots`: a file of certificates of authorities that are believed; empty: the system's alone.
    """

    names: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()
    networks: tuple[Network, ...] = ()
    own: frozenset[tuple[Address, int]] = frozenset()
    roots: str = ""

    def refusal(self, host: str, address: Address, port: int) -> str:
        """Why this host at this address is not connected to; empty when it is."""
        address = _meant(address)
        if any(port == own_port and _same(address, own) for own, own_port in self.own):
            return "This is the portal's own store, which is never a watched node."
        listed = any(address in network for network in self.networks)
        never = address.is_link_local or address.is_multicast or address.is_unspecified or address in METADATA
        if never and not listed:
            return f"{address} is a link-local, multicast or metadata address, where no node is."
        if not (self.names or self.suffixes or self.networks) or listed:
            return ""
        name = host.lower().rstrip(".")
        if name in self.names or name.endswith(self.suffixes):
            return ""
        return f"{host} is not among the hosts that the portal may connect to. Whoever runs it adds it to OPSPORTAL_NODE_HOSTS."


def read(words: list[str]) -> Reach:
    """The hosts, suffixes and networks of a setting. Raises ValueError with the word that is none of these.

    >>> read(["db1", ".db.example.org", "10.0.0.0/8"]).suffixes
    ('.db.example.org',)
    """
    networks, names, suffixes = [], set(), []
    for word in words:
        try:
            networks.append(ip_network(word))
        except ValueError as error:
            if "/" in word or ":" in word or "*" in word or not word.strip("."):
                raise ValueError(f"{word!r} is no host, no suffix like .db.example.org and no network") from error
            suffixes.append(word.lower()) if word.startswith(".") else names.add(word.lower().rstrip("."))
    return Reach(frozenset(names), tuple(suffixes), tuple(networks))


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped or address.sixtofour:
            return address.ipv4_mapped or address.sixtofour or address
        if address in NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _same(address: Address, own: Address) -> bool:
    return address == own or (address.is_loopback and own.is_loopback)
