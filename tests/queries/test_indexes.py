"""Indexes that cost more than they give: told from rows, and found on a real server, whatever DDL holds its tables."""

from collections.abc import Iterator
from datetime import UTC, datetime

import psycopg
import pytest

from apps.lab import postgres
from apps.lab.layout import DATABASE, Layout, Node
from apps.metrics.kernel import Answer, NodeKind, NodeRole, NodeView, Row, Rows, TierView
from apps.queries.indexes import INDEXES, findings, index_use, whole
from apps.queries.probes import PROBES
from tests.watch import Asking, values

TABLE = """
    CREATE TABLE shelf (id bigint PRIMARY KEY, author text, title text, lent boolean DEFAULT false, year int);
    INSERT INTO shelf SELECT n, n::text, n::text FROM generate_series(1, 100) AS n;
    CREATE INDEX shelf_author ON shelf (author);
    CREATE INDEX shelf_author_again ON shelf (author);
    CREATE INDEX shelf_author_title ON shelf (author, title);
    CREATE INDEX shelf_author_down ON shelf (author DESC, title);
    CREATE INDEX shelf_author_pattern ON shelf (author text_pattern_ops, title);
    CREATE INDEX shelf_lent ON shelf (author) WHERE lent;
    CREATE INDEX shelf_lower ON shelf (lower(author));
    CREATE INDEX shelf_lower_again ON shelf (lower(author));
    CREATE INDEX shelf_with ON shelf (author, year) INCLUDE (title);
    CREATE UNIQUE INDEX shelf_once ON shelf (id, author);
    CREATE TABLE parts (at date NOT NULL, n int) PARTITION BY RANGE (at);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
    CREATE INDEX parts_at ON parts (at);
    CREATE INDEX parts_at_n ON parts (at, n);
"""


@pytest.fixture
def owner(lab: object, layout: Layout) -> Iterator[psycopg.Connection]:
    """A superuser's session in the application's database, with a shelf of indexes."""
    with postgres.connect(layout, Node.PRIMARY, DATABASE) as connection:
        connection.execute(TABLE)
        yield connection
        connection.execute("ROLLBACK")
        connection.execute("DROP TABLE shelf, parts")


@pytest.fixture
def primary(owner: psycopg.Connection, layout: Layout) -> Iterator[Asking]:
    asked = [probe for probe in PROBES if probe.id in {"queries.indexes", "queries.tables"}]
    asking = Asking(NodeKind.POSTGRES, layout.dsn(Node.PRIMARY, "opsportal_poll"), asked)
    yield asking
    asking.close()


def found(primary: Asking) -> dict[str, str]:
    """Problem and its other index, of what is on the shelf."""
    rows = whole(primary.ask().rows("queries.indexes") or ())
    mine = [row for row in rows if row["relation"] in {"public.shelf", "public.parts"}]
    return {f.index["object"].removeprefix("public."): f"{f.problem} {f.why}" for f in findings(mine, None)}


def test_only_what_another_index_serves_as_well_is_redundant(primary: Asking) -> None:
    redundant = found(primary)
    assert redundant.keys() == {"shelf_author", "shelf_author_again", "shelf_lower_again", "parts_at"}
    assert "twice Twice: the same columns as public.shelf_author (author)" in redundant["shelf_author_again"]
    assert redundant["shelf_author"].startswith("covered Covered: these are the first columns of public.shelf_author_")
    assert "shelf_lower (expression)" in redundant["shelf_lower_again"]


def test_an_index_that_was_left_half_made_is_invalid(
    primary: Asking, owner: psycopg.Connection, layout: Layout
) -> None:
    owner.execute("INSERT INTO shelf VALUES (101, '1', 'twice')")
    with pytest.raises(psycopg.errors.UniqueViolation):
        owner.execute("CREATE UNIQUE INDEX CONCURRENTLY shelf_broken ON shelf (author)")
    assert found(primary)["shelf_broken"].startswith("invalid")


def test_a_table_that_ddl_holds_delays_nothing_and_is_named(primary: Asking, owner: psycopg.Connection) -> None:
    owner.execute("BEGIN")
    owner.execute("LOCK TABLE shelf, parts, parts_1 IN ACCESS EXCLUSIVE MODE")
    view = primary.ask()
    assert any(row["object"] == "public.shelf_author" for row in view.rows("queries.indexes") or ())
    (shelf,) = [row for row in view.rows("queries.tables") or () if row["object"] == "public.shelf"]
    assert shelf["state"] == "locked by DDL"
    owner.execute("ROLLBACK")


def index(name: str, **more: object) -> Row:
    usual: dict[str, object] = {
        "object": name, "relation": "t", "columns": name, "shown": name, "included": 0, "classes": "1", "collations": "0",
        "options": "0", "method": "btree", "predicate": None, "expressions": None, "is_unique": False,
        "constrained": False, "valid": True, "building": False, "parent": None, "partitioned": False,
        "bytes": 5_000_000, "scans": 0, "stats_since": None, "all_indexes": 1, "drop": f"DROP INDEX CONCURRENTLY {name};",
    }  # fmt: skip
    return usual | more


def test_an_index_is_unused_only_when_no_server_has_used_it() -> None:
    rows = (
        index("busy", scans=4),
        index("replica_only"),
        index("key", is_unique=True),
        index("small", bytes=9000),
        index("idle"),
    )
    unused = [f.index["object"] for f in findings(whole(rows), {"busy", "replica_only"})]
    assert unused == ["idle"]
    assert list(findings(whole(rows), None)) == [], "of a server that was not heard nothing is known"


def test_while_a_server_was_never_heard_nothing_is_called_unused() -> None:
    def server(name: str, role: NodeRole, rows: Rows | None) -> NodeView:
        answers = {} if rows is None else {INDEXES: Answer(INDEXES, "", rows)}
        return NodeView(name, NodeKind.POSTGRES, role, role, datetime.now(UTC), None, answers)

    def told(of_replica: Rows | None, previous: Rows = ()) -> Rows:
        nodes = (server("one", NodeRole.PRIMARY, (index("idle"),)), server("two", NodeRole.REPLICA, of_replica))
        return tuple(index_use(TierView(datetime.now(UTC), nodes, previous=previous))[0])

    unheard = told(None)
    assert [row["problem"] for row in unheard] == [""]
    heard = told((index("idle"),), unheard)
    assert [row["problem"] for row in heard] == ["", "unused"]
    assert [row["problem"] for row in told(None, heard)] == ["", "unused"], "what it said once is known"
    assert [row["problem"] for row in told((index("idle", scans=1),), heard)] == [""]


def test_partitions_are_judged_through_the_index_they_belong_to() -> None:
    rows = (index("all", partitioned=True, bytes=0), index("jan", parent="all", scans=3), index("feb", parent="all"))
    assert [row["object"] for row in whole(rows)] == ["all"]
    assert list(findings(whole(rows), {"jan"})) == []
    (finding,) = findings(whole(rows), set())
    assert (finding.index["object"], finding.index["bytes"]) == ("all", 10_000_000)


def test_what_was_found_stays_until_indexes_are_read_again(primary: Asking, layout: Layout) -> None:
    view = primary.ask()
    rows, samples = index_use(TierView(primary.at, (view,)))
    assert values(samples)["queries.index_use.redundant", ""] >= 4  # type: ignore[operator]
    kept, none = index_use(TierView(primary.at, (), previous=tuple(rows)))
    assert [row["object"] for row in kept] == [row["object"] for row in rows]
    assert list(none) == []
