"""A small playbook in a folder of its own, whose lines the tests know."""

from collections.abc import Callable
from pathlib import Path

import pytest

PLAN = """\
slug: small
title: A small plan
about: One block.
systems:
  - {slug: cache, title: Cache, about: It caches.}
weeks: [week-1]
targets:
  - slug: faster
    title: Faster
    better: lower
    promised: {unit: ms, measure: change, against: query-p95, high: -20 %}
stabilisation:
  - {slug: look, rhythm: daily, what: Look., runbook: RB-1}
long_term:
  - {slug: drill, rhythm: quarterly, what: Drill.}
"""
WEEK = """\
slug: week-1
title: Week 1
kind: block
systems: [cache]
about: The cache.
baseline:
  - {slug: query-p95, title: Queries, check: queries.p95, unit: ms, better: lower}
deployment:
  - {text: Switch it on, at_most: 5 min}
validation: 30 min
pauses:
  - slug: before
    title: Before
    gate: prerequisite
    items:
      - {slug: up, kind: auto, text: Up, check: node.up, why: Needed.}
      - {slug: told, kind: attest, text: Told, why: Needed.}
      - {slug: read, kind: challenge, text: Read, why: Needed.}
      - {slug: size, kind: observe, text: Size, why: Needed., expect: {unit: B, low: 2 GB, high: 5 GB}}
      - {slug: calm, kind: attest, text: Calm, why: Needed.}
  - slug: after
    title: After
    gate: validation
    items:
      - {slug: still-up, kind: auto, text: Up, check: node.up, why: Needed.}
      - {slug: speed, kind: auto, text: Y, check: queries.p95, why: Y, expect: {unit: ms, measure: change, against: query-p95, high: 10 %}}
      - {slug: logs, kind: attest, text: Logs, why: Needed.}
      - {slug: flows, kind: attest, text: Flows, why: Needed.}
      - {slug: old, kind: attest, text: Old, why: Needed.}
watch:
  length: 24 h
  entries:
    - {slug: up, title: Up, check: node.up, every: 1 min}
    - {slug: errors, title: New errors, look_every: 4 h}
issues:
  - {slug: slow, issue: Slow, action: Look., runbook: RB-1}
rollback:
  action: Switch it off
  promised: 5 min
  data: None.
  triggers: [node.up]
  steps:
    - {text: Switch it off, at_most: 5 min}
sign_offs:
  - {slug: lead, title: Lead, roles: [lead], meaning: I approve}
"""
RUNBOOKS = """\
runbooks:
  - {id: RB-1, title: Look, owners: [dba], minutes: 5, when: Daily}
  - {id: RB-2, title: Repair, owners: [devops, dba], minutes_least: 5, minutes: 10, when: Broken}
"""
TREE = """\
slug: wrong
title: Something is wrong
when: An alert came.
nodes:
  - slug: start
    text: Is it up?
    check: node.up
    branches:
      - {answer: "Yes", then: fine, finding: good}
      - {answer: "No", then: repair, finding: bad}
  - {slug: fine, text: Look again later.}
  - {slug: repair, text: Repair it., runbooks: [RB-2]}
"""
REFERENCE = """\
contacts:
  - {role: on-call, title: On-call, after: 0 min}
channels:
  - {name: "#rollout", purpose: Rollout}
commands:
  - {title: Health, command: curl, where: any host}
addresses:
  - {title: Overview, path: /}
reminders:
  - {week: week-1, before: a, during: b, after: c}
"""
SMALL = {
    "plan.yaml": PLAN,
    "weeks/week-1.yaml": WEEK,
    "runbooks/index.yaml": RUNBOOKS,
    "trees/wrong.yaml": TREE,
    "quick-reference.yaml": REFERENCE,
}
Edit = Callable[[str, str, str], Path]


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """The folder of a valid playbook with one block."""
    return write(tmp_path / "small", SMALL)


@pytest.fixture
def edit(small: Path) -> Edit:
    """`edit(file, old, new)`: the small playbook with one thing written otherwise; returns its folder."""

    def change(file: str, old: str, new: str) -> Path:
        text = (small / file).read_text(encoding="utf-8")
        assert old in text, f"{file} does not contain {old!r}"
        (small / file).write_text(text.replace(old, new, 1), encoding="utf-8")
        return small

    return change
