"""Tables of the queries page as files: what was asked for, each row with the node that it is of; a chain of locks as it stands."""

import csv
import json
from collections.abc import Iterator
from contextlib import ExitStack

import psycopg
import pytest

from apps.accounts.models import Person
from apps.lab import postgres
from apps.lab.layout import DATABASE, Layout, Node
from apps.metrics.probe import SLOW
from tests.conftest import Until
from tests.people import Browser
from tests.watch import Watch, flush

FILES = "/t/lab/queries/tables/"
NEXT = "UPDATE link SET note = 'a private matter' WHERE id = {}"


@pytest.fixture
def chain(lab: object, layout: Layout, until: Until) -> Iterator[list[int]]:
    """Four sessions, each but the first waiting for the one before it: their process ids."""
    with ExitStack() as stack:
        owner, *four = [stack.enter_context(postgres.connect(layout, Node.PRIMARY, DATABASE)) for _ in range(5)]
        owner.execute("CREATE TABLE link (id int PRIMARY KEY, note text)")
        owner.execute("INSERT INTO link SELECT generate_series(1, 4)")
        for number, session in enumerate(four, 1):
            session.execute("BEGIN")
            session.execute(NEXT.format(number).encode())
        for number, session in enumerate(four[1:], 1):
            session.pgconn.send_query(NEXT.format(number).encode())
            until(lambda pid=session.info.backend_pid: _waits(owner, pid), 10)
        yield [session.info.backend_pid for session in four]
        for session in four:  # each gets its turn when the one before it is gone
            session.close()
        owner.execute("DROP TABLE link")


def _waits(owner: psycopg.Connection, pid: int) -> bool:
    return owner.execute("SELECT FROM pg_locks WHERE pid = %s AND NOT granted", [pid]).fetchone() is not None


def rows_of(browser: Browser, person: Person, name: str) -> list[dict[str, str]]:
    text = browser(person).get(f"{FILES}{name}.csv").content.decode("utf-8-sig")
    head = text.splitlines()[0].split(",")
    assert len(set(head)) == len(head), head
    return list(csv.DictReader(text.splitlines()))


def test_a_chain_of_locks_stands_link_below_link_without_its_values(
    chain: list[int], watch: Watch, browser: Browser, viewer: Person
) -> None:
    rows = rows_of(browser, viewer, "blocks")
    assert [row["tree"].strip("\N{NO-BREAK SPACE}└") for row in rows] == [str(pid) for pid in chain]
    assert [row["tree"].index(str(pid)) for row, pid in zip(rows, chain, strict=True)] == [0, 2, 5, 8]
    assert [row["behind (count)"] for row in rows] == ["3", "2", "1", "0"]
    assert [row["by"] for row in rows] == ["", *(str(pid) for pid in chain[:3])]
    assert "public.link" in rows[1]["what"]
    page = browser(viewer).get("/t/lab/queries/").content.decode()
    assert f"behind process {chain[0]}." in page
    assert "private" not in page + str(rows)


def test_a_row_says_of_which_node_it_is_whoever_told_it(watch: Watch, browser: Browser, viewer: Person) -> None:
    watch.poll()
    assert {row["node"] for row in rows_of(browser, viewer, "statements")} >= {"lab-primary"}
    told = json.loads(browser(viewer).get(f"{FILES}statements.json").content)["rows"]
    assert all(row["node"] for row in told)
    assert list(told[0])[:2] == ["node", "at"]


def test_the_table_of_wait_events_is_not_the_chart_of_them(watch: Watch, browser: Browser, viewer: Person) -> None:
    page = browser(viewer).get("/t/lab/queries/").content.decode()
    title = page.index("What sessions at work wait for at this moment</h2>")
    address = page[title:].partition(" download>CSV")[0].rpartition('href="')[2].strip('"')
    table = browser(viewer).get(f"/t/lab/queries/{address}").content.decode("utf-8-sig").splitlines()[0]
    assert table == "node,at,object,event,sessions (count),longest (s)"
    chart = browser(viewer).get(f"{FILES}waits.csv").content.decode("utf-8-sig").splitlines()[0]
    assert chart == "metric,node,object,at,value (count)"


def test_an_index_that_no_server_uses_is_listed_until_a_replica_alone_does(
    watch: Watch, layout: Layout, browser: Browser, viewer: Person, until: Until
) -> None:
    def unused() -> dict[str, str]:
        watch.poll(after=SLOW)
        rows = rows_of(browser, viewer, "indexes")
        return {row["object"]: row["remedy"] for row in rows if row["why"].startswith("Unused")}

    with ExitStack() as stack:
        owner, replica = (
            stack.enter_context(postgres.connect(layout, node, DATABASE)) for node in (Node.PRIMARY, Node.REPLICA_1)
        )
        owner.execute("CREATE TABLE ledge AS SELECT n FROM generate_series(1, 60000) AS n")
        stack.callback(owner.execute, "DROP TABLE ledge")
        owner.execute("CREATE INDEX ledge_n ON ledge (n)")
        until(lambda: unused().get("public.ledge_n") == "DROP INDEX CONCURRENTLY public.ledge_n;", 15)
        replica.execute("SET enable_seqscan = off")

        def read_there() -> bool:
            replica.execute("SELECT n FROM ledge WHERE n = 7")
            flush(replica)
            return "public.ledge_n" not in unused()

        until(read_there, 15)
        rows = rows_of(browser, viewer, "indexes")
        assert "public.ledge_n" not in {row["object"] for row in rows}
