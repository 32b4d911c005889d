"""Samples in the format of PostgreSQL's binary COPY, made and read as whole arrays: a hundred times quicker than row by row.

Only for rows of (bigint, timestamptz, double precision), whose length is fixed.
https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format".
"""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
END = b"\xff\xff"
EPOCH_MS = 946_684_800_000  # 2000-01-01, from which PostgreSQL counts microseconds

_FULL = np.dtype(
    [("fields", ">i2"), ("l1", ">i4"), ("series", ">i8"), ("l2", ">i4"), ("at", ">i8"), ("l3", ">i4"), ("value", ">f8")]
)
_EMPTY = np.dtype([("fields", ">i2"), ("l1", ">i4"), ("series", ">i8"), ("l2", ">i4"), ("at", ">i8"), ("l3", ">i4")])

Ids: TypeAlias = NDArray[np.int64]
Times: TypeAlias = NDArray[np.int64]
Numbers: TypeAlias = NDArray[np.float64]


def written(series: Ids, times: Times, values: Numbers) -> bytes:
    """Rows as a whole COPY stream. `times`: milliseconds since 1970; a NaN becomes NULL."""
    missing = np.isnan(values)
    return b"".join(
        [
            HEAD,
            _rows(_FULL, series[~missing], times[~missing], values[~missing]),
            _rows(_EMPTY, series[missing], times[missing], None),
            END,
        ]
    )


def _rows(kind: np.dtype[np.void], series: Ids, times: Times, values: Numbers | None) -> bytes:
    rows = np.empty(len(series), kind)
    rows["fields"] = 3
    rows["l1"] = rows["l2"] = 8
    rows["l3"] = -1 if values is None else 8
    rows["series"] = series
    rows["at"] = (times - EPOCH_MS) * 1000
    if values is not None:
        rows["value"] = values
    return rows.tobytes()


def read(stream: bytes) -> tuple[Ids, Times, Numbers]:
    """Series, times (milliseconds since 1970) and values of a COPY stream in which nothing is NULL. Raises ValueError."""
    body = len(stream) - len(HEAD) - len(END)
    if not stream.startswith(HEAD) or not stream.endswith(END) or body % _FULL.itemsize:
        raise ValueError(
            f"{len(stream)} bytes are no binary COPY of (bigint, timestamptz, double precision) without NULL."
        )
    rows = np.frombuffer(stream, _FULL, offset=len(HEAD), count=body // _FULL.itemsize)
    if len(rows) and ((rows["fields"] != 3) | (rows["l1"] != 8) | (rows["l2"] != 8) | (rows["l3"] != 8)).any():
        raise ValueError("A row of the COPY has other columns than (bigint, timestamptz, double precision), or NULL.")
    return (
        rows["series"].astype(np.int64),
        rows["at"].astype(np.int64) // 1000 + EPOCH_MS,
        rows["value"].astype(np.float64),
    )
