"""Each kind of mistake is named with its file, its line and a remedy; many are named in one run."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.playbook.mistakes import Mistake, PlaybookInvalid
from apps.playbook.parse import parse
from apps.playbook.plan import Name, Week
from apps.playbook.read import Reader
from apps.playbook.rules import rules
from apps.playbook.validate import load
from tests.playbook.conftest import WEEK as WEEK_TEXT
from tests.playbook.conftest import Edit, write

PLAN, WEEK, RUNBOOKS, TREE = "plan.yaml", "weeks/week-1.yaml", "runbooks/index.yaml", "trees/wrong.yaml"
REFERENCE = "quick-reference.yaml"
AGAIN = "{slug: fine, text: Again?, branches: [{answer: a, then: start}, {answer: b, then: repair}]}"


def mistakes(folder: Path) -> tuple[Mistake, ...]:
    with pytest.raises(PlaybookInvalid) as raised:
        load(folder)
    return raised.value.mistakes


def test_the_small_playbook_is_valid(small: Path) -> None:
    assert [week.slug for week in load(small).weeks] == ["week-1"]


@pytest.mark.parametrize(
    ("file", "old", "new", "line", "what", "remedy"),
    [
        # keys
        (WEEK, "validation: 30 min", "validtion: 30 min", 10, "no key validtion", "Did you mean validation?"),
        (WEEK, "title: Week 1\n", "", 1, "lacks the key title", "Add `title: …`."),
        (PLAN, "title: A small plan", "title: A small plan\ntitle: Another", 3, "stands here twice (first on line 2)", "Remove"),
        (WEEK, "about: The cache.", "about:", 5, "about has no value", "Write a value"),
        (WEEK, "about: The cache.", 'about: "  "', 5, "about is empty", "Write a value"),
        # types
        (WEEK, "validation: 30 min", "validation: half an hour", 10, "'half an hour'", "such as 15 min"),
        (WEEK, "systems: [cache]", "systems: cache", 4, "must be a list", "Start each entry with"),
        (WEEK, "systems: [cache]", "systems: []", 4, "is an empty list", "remove the key"),
        (WEEK, "title: Week 1", "title: [Week, 1]", 2, "must be a single value", "on one line"),
        (WEEK, "  length: 24 h", "  length: 24 h\n  coverage: much", 32, "'much'", "such as 25 %"),
        (WEEK, "  length: 24 h", "  length: 24 h\n  max_gap: 1.5", 32, "'1.5'", "whole number"),
        (WEEK, "deployment:\n  - {", "deployment:\n  - Switch it on\n  - {", 9, "must be a section with keys", "text, command"),
        (WEEK, "slug: told", "slug: Told It", 17, "'Told It'", "lower-case"),
        (WEEK, "gate: prerequisite", "gate: prerequisite\n    mode: read-to", 15, "'read-to'", "Did you mean read-do?"),
        (WEEK, "kind: block", "kind: blok", 3, "'blok'", "Did you mean block?"),
        (WEEK, "text: Told,", "text: Told, critical: maybe,", 17, "'maybe'", "yes or no"),
        (WEEK, "kind: block", "kind: block\nwindow: {day: friday, start: 2 am, end: '06:00'}", 4, "'2 am'", "02:00"),
        # names
        (WEEK, "check: node.up, every", "check: node.upp, every", 33, "no check node.upp", "Did you mean node.up?"),
        (WEEK, "triggers: [node.up]", "triggers: [nod.up]", 41, "no check nod.up", "Did you mean node.up?"),
        (WEEK, "unit: ms, better", "unit: msec, better", 7, "'msec'", "Did you mean ms?"),
        (WEEK, "check: queries.p95, unit: ms", "metric: querys.p95, unit: ms", 7, "no metric querys.p95", "Did you mean"),
        (WEEK, "roles: [lead]", "roles: [leed]", 45, "'leed'", "Did you mean lead?"),
        (WEEK, "runbook: RB-1", "runbook: RB-7", 36, "no runbook RB-7", "Did you mean RB-"),
        (WEEK, "systems: [cache]", "systems: [cash]", 4, "no system cash", "Did you mean cache?"),
        (WEEK, "against: query-p95", "against: query-p59", 26, "no baseline metric query-p59", "query-p95?"),
        (PLAN, "against: query-p95", "against: p95", 11, "no baseline metric p95", "query-p95"),
        (TREE, "then: repair", "then: repare", 10, "no node repare", "Did you mean repair?"),
        (REFERENCE, "week: week-1", "week: week-2", 10, "no week week-2", "Did you mean week-1?"),
        # what is written twice
        (WEEK, "slug: told", "slug: up", 17, "up stands here a second time (first in weeks/week-1.yaml:16)", "another name"),
        (WEEK, "slug: errors", "slug: up", 34, "up stands here a second time", "another name"),
        (WEEK, "slug: still-up", "slug: up", 25, "up stands here a second time", "another name"),
        (RUNBOOKS, "id: RB-2", "id: RB-1", 3, "RB-1 stands here a second time", "another name"),
        (PLAN, "weeks: [week-1]", "weeks: [week-1, week-1]", 1, "stands 2 times", "once"),
        # what contradicts itself
        (WEEK, "low: 2 GB, high: 5 GB", "low: 5 GB, high: 2 GB", 19, "No value is between", "Exchange"),
        (WEEK, "unit: B, low: 2 GB, high: 5 GB", "unit: B", 19, "accepts everything", "`low: …`"),
        (WEEK, "unit: B, low: 2 GB, high: 5 GB", "unit: ratio, low: 70", 19, "The ratio 70 is 7000%", "Write `70 %`"),
        (WEEK, "measure: change, against: query-p95", "measure: change", 26, "does not go with", "against"),
        (WEEK, "high: 10 %", "low: -110 %", 26, "Nothing falls by more", "-100 %"),
        (WEEK, "check: queries.p95, unit: ms", "check: queries.p95, unit: s", 7, "not that of queries.p95", "`unit: ms`"),
        (WEEK, "check: node.up, why", "why", 16, "auto item up has no check", "check id"),
        (WEEK, "kind: attest, text: Told", "kind: attest, check: node.up, text: Told", 17, "has a check", "kind: auto"),
        (WEEK, ", expect: {unit: B, low: 2 GB, high: 5 GB}", "", 19, "Nothing says which value", "expect"),
        (WEEK, "kind: observe", "of: a.b, kind: observe", 19, "has no check", "remove `of`"),
        (WEEK, "kind: observe", "kind: attest", 19, "has an expectation", "kind: observe"),
        (WEEK, "      - {slug: calm, kind: attest, text: Calm, why: Needed.}\n", "", 12, "has 4 items", "5 to 9"),
        (WEEK, "check: queries.p95, unit: ms", "unit: ms", 7, "does not say where", "exactly one of"),
        (WEEK, "every: 1 min", "every: 25 h", 33, "does not fit into the watch", "not longer than the watch"),
        (WEEK, "every: 1 min", "every: 0 s", 33, "does not fit into the watch", "above zero"),
        (WEEK, ", look_every: 4 h", "", 34, "Nobody looks at errors", "look_every"),
        (WEEK, "  length: 24 h", "  length: 24 h\n  coverage: 120 %", 31, "1.2 is no share", "95 %"),
        (WEEK, "at_most: 5 min}\nvalidation", "at_least: 6 min, at_most: 5 min}\nvalidation", 9, "longer", "Exchange"),
        (WEEK, "rollback:\n  action: Switch it off", "rollback_:\n  action: Switch it off", 1, "has no rollback", "Add"),
        (WEEK, "    gate: validation", "    gate: prerequisite", 1, "has no validation pause point", "gate: validation"),
        (WEEK, "kind: attest, text: Told", "kind: attest, target: all, text: Told", 17, "has a target", "kind: auto"),
        (WEEK, "check: node.up, why", "target: all, check: node.up, why", 16, "Two things prove the item up", "or the target"),
        (WEEK, "check: node.up, why", "target: fastest, why", 16, "no target fastest", "Did you mean faster?"),
        (PLAN, "slug: faster", "slug: all", 8, "No target can be named all", "Rename"),
        (PLAN, "better: lower\n", "better: lower\n    over: 24 h\n", 8, "stretch of faster has no meaning", "promised value only"),
        (PLAN, "better: lower\n", "better: lower\n    busiest: yes\n", 8, "stretch of faster has no meaning", "beside it"),
        (PLAN, "high: -20 %", "high: 20 %", 11, "is worse, for lower is better", "sign"),
        (RUNBOOKS, "minutes: 5,", "minutes: 5, page: queries:comparing,", 2, "no tier has such a page", "queries:compare"),
        (RUNBOOKS, "minutes_least: 5", "minutes_least: 20", 3, "at least as long as at most", "below minutes"),
        (TREE, "{slug: fine, text: Look again later.}", AGAIN, 5, "goes in a circle: start → fine → start", "elsewhere"),
        (TREE, "then: fine", "then: repair", 11, "No answer leads to the node fine", "remove it"),
        (TREE, "    check: node.up\n", "", 5, "there is no check", "check id"),
        (TREE, "finding: bad", "finding: good", 5, "the same finding", "one answer"),
        # files
        (WEEK, "slug: week-1\n", "slug: week-one\n", 1, "named week-one", "slug: week-1"),
        (PLAN, "weeks: [week-1]", "weeks: [week-1, week-2]", 6, "no file weeks/week-2.yaml", "copy it from the default"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_file_line_and_remedy(
    edit: Edit, file: str, old: str, new: str, line: int, what: str, remedy: str
) -> None:
    found = mistakes(edit(file, old, new))
    fitting = [mistake for mistake in found if (mistake.file, mistake.line) == (file, line) and what in mistake.what]
    assert fitting, "\n".join(map(str, found))
    assert remedy in fitting[0].remedy


@pytest.mark.parametrize(
    ("content", "line", "what", "remedy"),
    [
        (b"", 1, "The file is empty", "default playbook"),
        (b"# only a comment\n", 1, "The file is empty", "default playbook"),
        (b"slug: a\ntitle: \xff\n", 2, "not UTF-8", "Save it as UTF-8"),
        (b"slug: a\ntitle: [one\nabout: b\n", 3, "This is not YAML", "indentation"),
        (b"slug: a\ntitle: b: c\n", 2, "This is not YAML", "colons"),
        (b"slug: a\ntitle: bell \x07\n", 2, "not allowed", "Remove it"),
        (b"slug: a\ntitle: !!python/object/apply:os.system [id]\n", 2, "The tag", "Remove it"),
        (b'slug: a\ntitle: "nul \\0"\n', 2, "control character", "Remove it"),
        (b'slug: a\ntitle: "half \\ud800"\n', 2, "This is not YAML", "quotes"),
        (b"slug: &a a\ntitle: *a\n", 1, "Anchors", "Write it out"),
        (b"slug: a\ntitle: *nowhere\n", 2, "Anchors", "Write it out"),
        (b"a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n", 1, "Anchors", "Write it out"),
        (b"slug: a\n---\nslug: b\n", 2, "second document", "one a file"),
        (b"slug: " + b"[" * 5000, 1, "nested too deeply", "16 levels"),
        (b"slug: " + b"x" * 1_000_001, 1, "1,000,007 bytes", "below"),
        (b"? [a, b]\n: c\n", 1, "A key must be a single word", "key: value"),
        (b"- slug: a\n", 1, "must be a section with keys", "Write the keys"),
        (b"just words\n", 1, "must be a section with keys", "Write the keys"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_mistake_in_words(
    small: Path, content: bytes, line: int, what: str, remedy: str
) -> None:
    (small / TREE).write_bytes(content)
    (mistake,) = mistakes(small)
    assert (mistake.file, mistake.line) == (TREE, line)
    assert what in mistake.what
    assert remedy in mistake.remedy


def test_all_mistakes_are_named_in_one_run_in_the_order_of_files_and_lines(edit: Edit) -> None:
    edit(WEEK, "kind: block", "kind: blok")
    edit(WEEK, "check: node.up, why", "check: node.upp, why")
    edit(WEEK, "slug: told", "slug: up")
    edit(RUNBOOKS, "owners: [dba]", "owners: [dbaa]")
    found = mistakes(edit(TREE, "then: repair", "then: repare"))
    assert [(mistake.file, mistake.line) for mistake in found] == [
        (RUNBOOKS, 2), (TREE, 10), (WEEK, 3), (WEEK, 16),
    ]  # fmt: skip


@given(st.binary(max_size=60) | st.text(alphabet="ab:-[]{}&*!|>'\"#%?,\n \\x0u\t", max_size=60).map(str.encode))
def test_any_bytes_are_a_tree_or_a_mistake_in_that_file(data: bytes) -> None:
    found = parse(data, TREE)
    mark = found if isinstance(found, Mistake) else found.mark
    assert mark.file == TREE
    assert 1 <= mark.line <= data.count(b"\n") + data.count(b"\r") + 4  # U+0085, U+2028 and U+2029 end a line too


@given(st.text(alphabet="ab0: -[]{},'\"%\n", max_size=40), st.integers(0, len(WEEK_TEXT)))
@settings(max_examples=40, deadline=None)
def test_whatever_is_typed_into_a_week_it_is_read_or_its_mistakes_are_named(typed: str, place: int) -> None:
    node = parse((WEEK_TEXT[:place] + typed + WEEK_TEXT[place:]).encode(), WEEK)
    if not isinstance(node, Mistake):
        reader = Reader({Name.CHECK: {"node.up"}}, rules)
        assert reader.read(Week, node) or reader.mistakes
        assert all(mistake.line > 0 and mistake.what and mistake.remedy for mistake in reader.mistakes)


def test_what_follows_from_a_mistake_is_not_reported_beside_it(edit: Edit) -> None:
    (mistake,) = mistakes(edit(WEEK, "unit: ms, better: lower", "unit: msec, better: lower"))
    assert "msec" in mistake.what  # and nothing about expectations against that baseline metric


def test_a_file_that_nothing_reads_is_a_mistake(small: Path) -> None:
    write(small, {"weeks/week-2.yaml": "slug: week-2\n", "trees/other.yml": "slug: other\n"})
    found = {mistake.file: mistake.what for mistake in mistakes(small) if "Nothing reads" in mistake.what}
    assert found.keys() == {"weeks/week-2.yaml"}


def test_a_missing_file_and_a_missing_folder_are_mistakes_with_a_remedy(small: Path) -> None:
    (small / REFERENCE).unlink()
    (mistake,) = mistakes(small)
    assert mistake.file == REFERENCE
    assert "copy it from the default" in mistake.remedy
    (nowhere,) = mistakes(small / "nowhere")
    assert "OPSPORTAL_PLAYBOOK" in nowhere.remedy


def test_a_folder_in_the_place_of_a_file_is_a_mistake(small: Path) -> None:
    (small / REFERENCE).unlink()
    (small / REFERENCE).mkdir()
    (mistake,) = mistakes(small)
    assert "cannot be read" in mistake.what


def test_a_week_cannot_be_named_out_of_the_folder(edit: Edit) -> None:
    found = mistakes(edit(PLAN, "weeks: [week-1]", "weeks: [week-1, ../../../../etc/passwd]"))
    assert any("cannot stand in an address" in mistake.what for mistake in found)
    assert not any("There is no file" in mistake.what for mistake in found)
