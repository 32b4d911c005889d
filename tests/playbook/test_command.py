"""`manage.py playbook check|show|diff`, as a team uses it while editing."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.playbook.pin import bundle
from apps.playbook.validate import load
from tests.playbook.conftest import Edit


def said(*args: str) -> str:
    out = StringIO()
    call_command("playbook", *args, stdout=out)
    return out.getvalue()


def test_check_counts_what_is_written(small: Path) -> None:
    assert said("check", str(small)) == "ok: 1 weeks, 10 items, 2 checks bound\n"


def test_check_names_file_line_and_remedy(edit: Edit) -> None:
    folder = edit("weeks/week-1.yaml", "check: node.up, every", "check: node.upp, every")
    with pytest.raises(CommandError) as refused:
        said("check", str(folder))
    assert refused.value.returncode == 1
    first, last = str(refused.value).splitlines()
    assert first == "weeks/week-1.yaml:33: There is no check node.upp. Did you mean node.up?"
    assert last == f"1 mistake in {folder}"


def test_show_gives_the_digest_and_every_item(small: Path) -> None:
    shown = said("show", str(small))
    assert bundle(load(small)).digest in shown
    assert "auto      Up  [node.up]" in shown
    assert "signed by: Lead" in shown


def test_diff_of_a_folder_and_an_older_bundle(small: Path, edit: Edit, tmp_path: Path) -> None:
    pinned = tmp_path / "pinned.json"
    pinned.write_bytes(bundle(load(small)).data)
    assert said("diff", str(pinned), str(small)) == "no difference in meaning\n"
    edit("weeks/week-1.yaml", "text: Told", "text: Told twice")
    assert "told › text: Told → Told twice" in said("diff", str(pinned), str(small))


def test_diff_refuses_a_file_that_is_no_bundle(small: Path) -> None:
    with pytest.raises(CommandError, match="no bundle"):
        said("diff", str(small / "plan.yaml"), str(small))
