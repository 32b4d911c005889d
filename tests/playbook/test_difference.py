"""What changed between two playbooks is said in words that name the item."""

from pathlib import Path

import pytest

from apps.playbook.difference import difference
from apps.playbook.pin import bundle, from_bundle
from apps.playbook.validate import load
from tests.playbook.conftest import Edit

WEEK = "weeks/week-1.yaml"
CALM = "      - {slug: calm, kind: attest, text: Calm, why: Needed.}\n"
READ = "      - {slug: read, kind: challenge, text: Read, why: Needed.}\n"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("text: Told", "text: Told twice", "weeks › week-1 › pauses › before › items › told › text: Told → Told twice"),
        (CALM, CALM + CALM.replace("calm", "quiet"), "weeks › week-1 › pauses › before › items › quiet: added (Calm)"),
        ("slug: calm", "slug: quiet", "weeks › week-1 › pauses › before › items › calm: removed (Calm)"),
        ("high: 5 GB", "high: 6 GB", "items › size › expect › high: 5000000000 → 6000000000"),
        ("text: Told,", "text: Told, critical: yes,", "items › told › critical: added (yes)"),
        ("roles: [lead]", "roles: [lead, vp]", "sign_offs › lead › roles › vp: added"),
        ("length: 24 h", "length: 48 h", "watch › length: 86400 s → 172800 s"),
    ],
)
def test_a_change_is_named_with_the_way_to_it(small: Path, edit: Edit, old: str, new: str, said: str) -> None:
    before = load(small)
    found = [str(change) for change in difference(before, load(edit(WEEK, old, new)))]
    assert any(said in sentence for sentence in found), found


def test_another_order_is_a_change_of_its_own(small: Path, edit: Edit) -> None:
    before = load(small)
    edit(WEEK, READ, "")
    (change,) = difference(before, load(edit(WEEK, CALM, CALM + READ)))
    assert str(change) == "weeks › week-1 › pauses › before › items: in another order"


def test_there_is_no_difference_from_ones_own_pin(small: Path) -> None:
    playbook = load(small)
    assert difference(playbook, from_bundle(bundle(playbook).data)) == ()
