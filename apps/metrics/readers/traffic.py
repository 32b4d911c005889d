"""What the operating system counts of a connection: bytes received, and how long a round trip takes. One call, no packet.

Told by Linux (tcp(7), TCP_INFO); elsewhere nothing is known.
"""

import socket
from dataclasses import dataclass
from struct import unpack_from

TCP_INFO = getattr(socket, "TCP_INFO", None) if hasattr(socket, "SO_DOMAIN") else None  # SO_DOMAIN: only on Linux
ROUND_TRIP, RECEIVED, LENGTH = 68, 128, 136  # within struct tcp_info: tcpi_rtt, tcpi_bytes_received


@dataclass(frozen=True, slots=True)
class Traffic:
    """Of one connection since it was made: bytes received; and its round trip as the system estimates it, in seconds."""

    received_bytes: int
    round_trip_seconds: float


def traffic_of(descriptor: int) -> Traffic | None:
    """The traffic of an open socket; None where the system does not tell it, or it is not of TCP."""
    if TCP_INFO is None or descriptor < 0:
        return None
    try:
        lent = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fileno=descriptor)
    except OSError:
        return None
    try:
        told = lent.getsockopt(socket.IPPROTO_TCP, TCP_INFO, LENGTH)
    except OSError:
        return None
    finally:
        lent.detach()
    if len(told) < LENGTH:
        return None
    (received,), (micros,) = unpack_from("=Q", told, RECEIVED), unpack_from("=I", told, ROUND_TRIP)
    return Traffic(received, micros / 1e6)
