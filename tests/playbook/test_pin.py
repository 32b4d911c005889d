"""A pinned playbook is read back exactly, its digest covers the meaning, and a changed bundle is refused."""

import json
from datetime import time, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.accounts.roles import Role
from apps.metrics.kernel import Unit
from apps.playbook import guides, plan
from apps.playbook.mistakes import Mark
from apps.playbook.pin import BundleInvalid, bundle, from_bundle
from apps.playbook.validate import load
from tests.playbook.conftest import SMALL, Edit, write

texts = st.text(min_size=1, max_size=20).map(str.strip).filter(bool)
slugs = st.from_regex(r"[a-z0-9]{1,6}(-[a-z0-9]{1,4}){0,2}", fullmatch=True)
marks = st.builds(Mark, st.just("weeks/week-1.yaml"), st.integers(1, 5000))
lengths = st.integers(0, 999_999).map(lambda seconds: timedelta(seconds=seconds))
numbers = st.floats(-1e12, 1e12, allow_nan=False).filter(lambda value: value == 0 or abs(value) > 1e-12)
expectations = st.builds(
    plan.Expectation, source=marks, unit=st.sampled_from(Unit), low=st.none() | numbers, high=st.none() | numbers,
    measure=st.sampled_from(plan.Measure), against=slugs, slack=numbers,
)  # fmt: skip
items = st.builds(
    plan.Item, source=marks, slug=slugs, kind=st.sampled_from(plan.ItemKind), text=texts, why=texts, check=texts,
    expect=st.none() | expectations, critical=st.booleans(), how=texts, differs=texts,
)  # fmt: skip
pauses = st.builds(
    plan.Pause, source=marks, slug=slugs, title=texts, gate=st.sampled_from(plan.Gate),
    items=st.lists(items, min_size=1, max_size=3).map(tuple),
)  # fmt: skip
windows = st.builds(
    plan.Window, source=marks, day=st.sampled_from(plan.Weekday), start=st.builds(time, st.integers(0, 23), st.integers(0, 59)),
    end=st.builds(time, st.integers(0, 23), st.integers(0, 59)), note=texts,
)  # fmt: skip
watches = st.builds(
    plan.Watch, source=marks, length=lengths, initial_delay=lengths, coverage=numbers, max_gap=st.integers(1, 99),
    entries=st.lists(
        st.builds(plan.WatchEntry, source=marks, slug=slugs, title=texts, every=st.none() | lengths), min_size=1, max_size=3
    ).map(tuple),
)  # fmt: skip
weeks = st.builds(
    plan.Week, source=marks, slug=slugs, title=texts, kind=st.sampled_from(plan.WeekKind), about=texts,
    pauses=st.lists(pauses, min_size=1, max_size=2).map(tuple), window=st.none() | windows, watch=st.none() | watches,
    sign_offs=st.lists(
        st.builds(plan.SignOff, source=marks, slug=slugs, title=texts, meaning=texts, executed=st.booleans(),
                  strength=st.sampled_from(plan.Strength),
                  roles=st.lists(st.sampled_from(Role), min_size=1, max_size=2).map(tuple)),
        min_size=1, max_size=2,
    ).map(tuple),
)  # fmt: skip


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> guides.Playbook:
    """Everything around the weeks."""
    return load(write(tmp_path_factory.mktemp("full"), SMALL))


@given(week=weeks)
@settings(max_examples=60, deadline=None)
def test_a_bundle_reads_back_as_what_was_pinned_whatever_is_written_in_it(
    week: plan.Week, full: guides.Playbook
) -> None:
    playbook = guides.Playbook(
        plan=full.plan,
        weeks=(week,),
        runbooks=full.runbooks,
        trees=full.trees,
        reference=full.reference,
        files=full.files,
    )
    pinned = bundle(playbook)
    again = from_bundle(pinned.data, pinned.digest)
    assert again == playbook
    assert again.files == playbook.files
    assert again.weeks[0].pauses[0].items[0].source == week.pauses[0].items[0].source
    assert bundle(again).data == pinned.data


def test_the_digest_covers_the_meaning_and_not_the_form(small: Path, edit: Edit) -> None:
    before = bundle(load(small))
    edit("weeks/week-1.yaml", "title: Week 1\n", "# a comment\n\ntitle:    'Week 1'\n")
    edit("weeks/week-1.yaml", "promised: 5 min", "promised: 300 s")
    after = bundle(load(small))
    assert after.digest == before.digest
    assert after.files["weeks/week-1.yaml"] != before.files["weeks/week-1.yaml"]
    assert after.files["plan.yaml"] == before.files["plan.yaml"]
    edit("weeks/week-1.yaml", "text: Told", "text: Not told")
    assert bundle(load(small)).digest != before.digest


def test_the_digest_of_a_file_is_that_of_its_bytes(small: Path) -> None:
    files = bundle(load(small)).files
    assert files["plan.yaml"] == sha256((small / "plan.yaml").read_bytes()).hexdigest()
    assert sorted(files) == sorted(str(path.relative_to(small)) for path in small.rglob("*.yaml"))


def test_a_pinned_playbook_stays_readable_when_its_files_are_gone_or_wrong(small: Path, edit: Edit) -> None:
    pinned = bundle(load(small))
    edit("weeks/week-1.yaml", "slug: week-1", "slug: [")
    assert from_bundle(pinned.data, pinned.digest).week("week-1").item("told").source == Mark("weeks/week-1.yaml", 17)


@pytest.mark.parametrize(("old", "new"), [
    (b'"text":"Told"', b'"text":"Sold"'),
    (b'"plan.yaml":"', b'"plan.yml":"'),
    (b"weeks/week-1.yaml:17", b"weeks/week-1.yaml:18"),
    (b'"format":"opsportal-playbook/1"', b'"format":"opsportal-playbook/9"'),
    (b'{"content"', b'{ "content"'),
])  # fmt: skip
def test_a_changed_byte_is_refused(small: Path, old: bytes, new: bytes) -> None:
    pinned = bundle(load(small))
    assert old in pinned.data
    with pytest.raises(BundleInvalid):
        from_bundle(pinned.data.replace(old, new, 1))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"null", b"\xff", b"[" * 100_000])
def test_what_is_no_bundle_is_refused(data: bytes) -> None:
    with pytest.raises(BundleInvalid, match="no bundle"):
        from_bundle(data)


def test_a_bundle_sealed_anew_does_not_have_the_digest_that_was_recorded(small: Path) -> None:
    pinned = bundle(load(small))
    parts = json.loads(pinned.data)
    parts["content"]["weeks"][0]["pauses"][0]["items"][1]["text"] = "Sold"
    parts["digest"] = sha256(rfc8785.dumps(parts["content"])).hexdigest()
    del parts["seal"]
    forged = rfc8785.dumps({**parts, "seal": sha256(rfc8785.dumps(parts)).hexdigest()})
    from_bundle(forged)  # sound in itself
    with pytest.raises(BundleInvalid, match="was pinned"):
        from_bundle(forged, pinned.digest)
