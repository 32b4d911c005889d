"""Rows of a CSV or JSON-lines file, read line by line; values are left for the server to read (`Wire.TEXT`)."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from apps.batch.tables import Refused

CSV, LINES = (".csv", ".tsv"), (".jsonl", ".ndjson", ".json")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file that is open: the columns its first line names (None where each row names its own), its rows, and how many (None: a pipe)."""

    columns: tuple[str, ...] | None
    rows: Iterator[Any]
    total: int | None


@contextmanager
def opened(path: Path, null: str) -> Iterator[Sheet]:
    """
    A file's rows.

    Args:
        path: its ending says what it is: .csv, .tsv, .jsonl, .ndjson or .json (one object a line).
        null: the text that means NULL in CSV.

    Raises:
        Refused: another ending, or CSV without a first line that names the columns.
        OSError: it cannot be read.
    """
    kind = path.suffix.lower()
    if kind not in CSV + LINES:
        raise Refused(f"{path.name} is read as CSV or JSON lines by its ending: {', '.join(CSV + LINES)}.")
    total = _counted(path, csv_like=kind in CSV) if path.is_file() else None
    with path.open(encoding="utf-8-sig", newline="") as file:
        if kind in CSV:
            yield _csv(file, path.name, null, "\t" if kind == ".tsv" else ",", total)
        else:
            yield Sheet(None, _lines(file), total)


def _counted(path: Path, *, csv_like: bool) -> int:
    """How many rows there are, by a quick look through the whole file; a row of CSV ends outside of quotes."""
    rows, quotes = -1 if csv_like else 0, 0
    with path.open("rb") as file:
        for line in file:
            if csv_like:
                quotes += line.count(b'"')
                rows += quotes % 2 == 0 and bool(line.rstrip(b"\r\n"))
            else:
                rows += bool(line.strip())
    return max(rows, 0)


def _csv(file: TextIO, name: str, null: str, delimiter: str, total: int | None) -> Sheet:
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    head = next(reader, [])
    if not all(head):
        raise Refused(f"The first line of {name} must name every column.")
    return Sheet(tuple(head), ([None if cell == null else cell for cell in row] for row in reader if row), total)


def _lines(file: TextIO) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"line {number} is no JSON: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(f"line {number} is no JSON object")
        yield row
