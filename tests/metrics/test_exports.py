"""Files of tables: what a spreadsheet would run is only text there, and a number stays one."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest

from apps.metrics.exports import csv_file, json_file

AT = datetime(2026, 3, 1, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =cmd|' /C calc'!A0"])
def test_a_text_that_looks_like_a_formula_is_made_harmless(cell: str) -> None:
    rows = list(csv.reader(io.StringIO(csv_file("t", ["a"], [[cell]]).content.decode("utf-8-sig"), newline="")))
    assert rows[1][0] == f"'{cell}"


def test_numbers_times_and_nothing_stay_what_they_are() -> None:
    text = csv_file("t", ["a", "b", "c", "d"], [[-3.5, AT, None, {"k": [1]}]]).content.decode("utf-8-sig")
    assert text.splitlines()[1] == '-3.5,2026-03-01T10:00:00+00:00,,"{""k"":[1]}"'


def test_files_are_downloads_with_their_name() -> None:
    answer = json_file("lab-pools-pools", {"at": AT, "rows": [{"value": 1.5}]})
    assert answer["Content-Disposition"] == 'attachment; filename="lab-pools-pools.json"'
    assert json.loads(answer.content) == {"at": "2026-03-01T10:00:00+00:00", "rows": [{"value": 1.5}]}
