"""Tables and charts as CSV and JSON files."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from django.http import HttpResponse

from apps.ledger.export import guarded


def cell_of(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: a text that begins like one gets an apostrophe before it.

    Names and query texts come from the watched tier and may be hostile; numbers stay numbers.

    >>> cell_of("=HYPERLINK(1)"), cell_of(-3), cell_of("select 1")
    ("'=HYPERLINK(1)", -3, 'select 1')
    """
    if isinstance(cell, str):
        return guarded(cell)
    if isinstance(cell, (dict, list, tuple)):
        return orjson.dumps(cell, default=str).decode()
    return cell.astimezone(UTC).isoformat() if isinstance(cell, datetime) else cell


def csv_file(name: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> HttpResponse:
    """Rows as a CSV download named `<name>.csv` (UTF-8 with a mark, so that spreadsheets read it as such)."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([cell_of(cell) for cell in head])
    writer.writerows([cell_of("" if cell is None else cell) for cell in row] for row in rows)
    return _file("\ufeff" + text.getvalue(), "text/csv; charset=utf-8", f"{name}.csv")


def json_file(name: str, document: Any) -> HttpResponse:
    """A document as JSON; times in ISO 8601 with UTC."""
    return _file(orjson.dumps(document, default=str, option=orjson.OPT_INDENT_2), "application/json", f"{name}.json")


def _file(content: str | bytes, kind: str, name: str) -> HttpResponse:
    response = HttpResponse(content, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response
