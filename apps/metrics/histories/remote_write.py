"""Samples as Prometheus' remote write 1.0 wants them: a small protobuf message, compressed by Snappy.

    message WriteRequest { repeated TimeSeries timeseries = 1; }
    message TimeSeries   { repeated Label labels = 1; repeated Sample samples = 2; }
    message Label        { string name = 1; string value = 2; }
    message Sample       { double value = 1; int64 timestamp = 2; }   // milliseconds since 1970

https://prometheus.io/docs/specs/prw/remote_write_spec/
"""

import struct
from collections.abc import Iterable, Mapping

import cramjam

HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
STALE = struct.pack("<Q", 0x7FF0000000000002)
"""The NaN by which Prometheus writes "this series has no value now"."""


def write_request(series: Iterable[tuple[Mapping[str, str], float | None]], at_ms: int) -> bytes:
    """One sample of each series at one time, ready to be sent; None becomes a stale marker. Labels must be in their order."""
    timestamp = b"\x10" + _varint(at_ms)
    body = bytearray()
    for labels, value in series:
        one = b"".join(
            _field(0x0A, _field(0x0A, name.encode()) + _field(0x12, text.encode())) for name, text in labels.items()
        )
        sample = b"\x09" + (STALE if value is None else struct.pack("<d", value)) + timestamp
        body += _field(0x0A, one + _field(0x12, sample))
    return bytes(cramjam.snappy.compress_raw(bytes(body)))


def _field(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first.

    >>> _varint(300).hex()
    'ac02'
    """
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
