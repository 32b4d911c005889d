"""The default playbook is valid and says what the rollout needs: every block, its people, its promised figures."""

from datetime import time, timedelta

import pytest
from django.conf import settings

from apps.accounts.roles import Role
from apps.metrics import registry
from apps.metrics.kernel import State
from apps.playbook.guides import Playbook
from apps.playbook.plan import Gate, ItemKind, Weekday, WeekKind
from apps.playbook.validate import load

BLOCKS = ["week-1-2", "week-3-4", "week-5-6", "week-7", "week-8"]


@pytest.fixture(scope="module")
def default() -> Playbook:
    return load(settings.BASE_DIR / "apps" / "playbook" / "default")


def test_the_weeks_come_in_order_with_a_list_before_and_a_sign_off_after(default: Playbook) -> None:
    assert [week.slug for week in default.weeks] == ["pre-rollout", *BLOCKS, "final"]
    assert [week.slug for week in default.weeks if week.kind is WeekKind.BLOCK] == BLOCKS


@pytest.mark.parametrize(
    ("week", "roles"),
    [
        ("week-1-2", [Role.DEVOPS, Role.BACKEND, Role.LEAD]),
        ("week-3-4", [Role.DBA, Role.DEVOPS, Role.ON_CALL, Role.LEAD]),
        ("week-5-6", [Role.DEVOPS, Role.DBA, Role.ON_CALL, Role.LEAD]),
        ("week-7", [Role.BACKEND, Role.DEVOPS, Role.ON_CALL, Role.LEAD]),
        ("week-8", [Role.DBA, Role.DEVOPS, Role.ON_CALL, Role.LEAD]),
        ("final", [Role.VP, Role.CTO, Role.PRODUCT]),
    ],
)
def test_each_week_is_signed_by_the_people_concerned(default: Playbook, week: str, roles: list[Role]) -> None:
    assert [slot.roles[0] for slot in default.week(week).sign_offs] == roles


def test_whoever_deployed_does_not_sign_as_dba(default: Playbook) -> None:
    dba = [slot for week in default.weeks for slot in week.sign_offs if Role.DBA in slot.roles]
    assert all(not slot.executed for slot in dba if slot.meaning != "I saw the backup restored and the replicas stream")


def test_the_way_back_takes_less_than_five_minutes(default: Playbook) -> None:
    promised = {week.slug: week.rollback.promised for week in default.weeks if week.rollback}
    assert promised == {
        "week-1-2": timedelta(minutes=5),
        "week-3-4": timedelta(minutes=1),
        "week-5-6": timedelta(minutes=2),
        "week-7": timedelta(minutes=2),
        "week-8": timedelta(seconds=30),
    }


def test_week_8_has_its_saturday_night(default: Playbook) -> None:
    window = default.week("week-8").window
    assert window is not None
    assert (window.day, window.start, window.end) == (Weekday.SATURDAY, time(2), time(6))


def test_all_weeks_after_the_first_are_watched_for_a_day(default: Playbook) -> None:
    lengths = [week.watch.length for week in default.weeks if week.watch]
    assert lengths == [timedelta(days=7)] + [timedelta(hours=24)] * 4


def test_the_promised_figures_are_those_of_the_programme(default: Playbook) -> None:
    promised = {
        f"{week.slug}/{one.slug}": (one.promised.low, one.promised.high)
        for week in default.weeks
        for one in week.improvements
    }
    assert promised == {
        "week-3-4/read-throughput": (1, 2),
        "week-3-4/primary-load": (-0.6, -0.4),
        "week-5-6/connect-time": (None, -0.95),
        "week-5-6/server-connections": (None, -0.93),
        "week-5-6/throughput": (1.5, 4),
        "week-5-6/connection-memory": (None, -0.95),
        "week-7/hit-rate": (0.7, 0.9),
        "week-7/database-load": (-0.8, -0.3),
        "week-7/latency": (-0.2, -0.05),
        "week-8/range-query": (None, -0.76),
        "week-8/delivery-aggregate": (None, -0.75),
        "week-8/deep-pagination": (None, -0.84),
        "week-8/delete": (None, -0.9),
        "week-8/analytics": (None, -0.83),
        "week-8/hot-index": (None, -0.8),
    }


def test_there_are_the_23_runbooks(default: Playbook) -> None:
    assert [runbook.id for runbook in default.runbooks] == [f"RB-{number}" for number in range(1, 24)]
    assert default.runbook("RB-2").owners == (Role.DBA, Role.ON_CALL)
    assert default.runbook("RB-20").minutes is None


def test_an_item_that_promises_a_figure_beyond_its_check_says_so(default: Playbook) -> None:
    """A check passes at 51 % hit rate; the item that says 70 % must ask for 70 %."""
    item = default.week("week-7").item("hit-rate")
    check = registry.checks()[item.check]
    assert check.judge(0.6, timedelta(0)) is State.PASS
    assert item.expect is not None
    assert item.expect.judge(0.6) is State.FAIL


def test_a_free_key_passes_twelve(default: Playbook) -> None:
    item = default.week("week-7").item("free-key")
    assert item.kind is ItemKind.OBSERVE
    assert item.expect is not None
    assert [item.expect.judge(passed) for passed in (10, 12, 13)] == [State.FAIL, State.PASS, State.FAIL]
    assert "burst" in item.differs


def test_every_block_has_items_that_the_portal_proves_before_and_after(default: Playbook) -> None:
    for week in default.weeks:
        if week.kind is WeekKind.BLOCK:
            assert {pause.gate for pause in week.pauses for item in pause.items if item.check} == set(Gate), week.slug


def test_every_way_through_the_rollback_tree_ends_at_a_block_or_a_decision(default: Playbook) -> None:
    ends = [node for node in default.tree("rollback").nodes if not node.branches]
    assert {node.week for node in ends if node.week} == set(BLOCKS)
    assert {node.slug for node in ends if not node.week} == {"stay", "restore"}


def test_everything_knows_where_it_is_written(default: Playbook) -> None:
    lines = (settings.BASE_DIR / "apps/playbook/default/weeks/week-8.yaml").read_text(encoding="utf-8").splitlines()
    for item in default.week("week-8").items():
        assert item.source.file == "weeks/week-8.yaml"
        assert f"slug: {item.slug}" in lines[item.source.line - 1]
