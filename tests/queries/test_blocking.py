"""Who blocks whom: a tree that shows each session once, those who hold the lock first."""

from hypothesis import given
from hypothesis import strategies as st

from apps.metrics.kernel import Row
from apps.queries.blocking import tree


def session(pid: int, *blocked_by: int, waited: float = 1.0, state: str = "active") -> Row:
    return {
        "object": str(pid),
        "state": state,
        "waited": waited if blocked_by else None,
        "in_transaction": 5.0,
        "blocked_by": list(blocked_by),
        "lock": "relation" if blocked_by else None,
        "mode": "RowExclusiveLock" if blocked_by else None,
        "relation": "public.orders" if blocked_by else None,
    }


def test_chains_stand_below_their_cause() -> None:
    rows = tree((session(3, 2), session(2, 1, waited=9), session(4, 1), session(1, state="idle in transaction")))
    assert [(row["object"], row["depth"], row["behind"]) for row in rows] == [
        ("1", 0, 3),
        ("2", 1, 1),
        ("3", 2, 0),
        ("4", 1, 0),
    ]
    assert rows[0]["what"] == "does nothing and holds it for 5\xa0s"
    assert rows[1]["what"] == "waits 9\xa0s for RowExclusiveLock on public.orders"


@given(st.lists(st.lists(st.integers(0, 8), max_size=3), max_size=9))
def test_every_session_is_shown_once_in_any_tangle(edges: list[list[int]]) -> None:
    rows = tree(tuple(session(pid, *blocked_by) for pid, blocked_by in enumerate(edges)))
    assert sorted(row["object"] for row in rows) == sorted(str(pid) for pid in range(len(edges)))
