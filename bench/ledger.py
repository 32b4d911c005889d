"""The ledger: a million entries verified beside bare SHA-256 over the same bytes, twenty writers beside bare inserts, and the week's page
of a rollout with two thousand ticks beside a bare page.

Verifying reads the store, so there are two floors: the chain over bytes that are there, and over the same bytes read from the store.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256

import psycopg
from django.db import connections, transaction

from apps.lab.tier import Lab
from apps.ledger.chain import append
from apps.ledger.kinds import declare
from apps.ledger.leaf import GENESIS, canonical
from apps.ledger.tree import Frontier
from apps.ledger.verify import verify
from bench.harness import Contestant, Goal, Part, Times, machine, race, report, table
from bench.million import NAME, Filled, ledger
from bench.recorded import Viewed, viewed

WRITERS = 20
READ = b"SELECT exact FROM bench_exact WHERE seq BETWEEN %s AND %s ORDER BY seq"
AT_ONCE = 2048
BARE = b"""
CREATE TABLE bench_bare (seq bigint PRIMARY KEY, at timestamptz DEFAULT clock_timestamp(), actor text NOT NULL, body bytea NOT NULL);
CREATE SEQUENCE bench_order;
"""
INSERT = b"INSERT INTO bench_bare (seq, actor, body) VALUES (nextval('bench_order'), %s, %s)"
LOCK = b"SELECT pg_advisory_xact_lock(7, 7)"
BODY = {"item": "replicas-in-step", "state": "done", "value": 0.25, "why": "the replicas' page says so"}


def main(lab: Lab, quick: bool) -> None:
    """Measure and print."""
    entries, rounds, appends = (400_000, 2, 10) if quick else (1_000_000, 7, 100)
    with ledger(lab, entries) as filled:
        whole = verify(using=NAME)
        if not (whole.ok and whole.whole == entries):
            raise RuntimeError(f"the ledger that was made is not whole: {whole.broken}")
        verified = race(_verifying(filled), rounds, list)
        written = race(_writing(filled, appends), rounds, list)
    page = viewed(lab.layout, rounds, quick=quick)
    _report(filled, appends * WRITERS, verified, written, page)


def _verifying(filled: Filled) -> list[Contestant]:
    owner = psycopg.connect(filled.address, autocommit=True)
    spans = [(first, first + AT_ONCE - 1) for first in range(1, filled.entries + 1, AT_ONCE)]
    exact = [data for span in spans for data in _exact(owner, span)]

    def examined(processes: int, grown: Callable[[], Frontier | None] = lambda: None) -> Callable[[], object]:
        return lambda: verify(using=NAME, processes=processes, grown=grown())

    def chained() -> None:
        last = GENESIS
        for data in exact:
            last = sha256(last + data).digest()

    def read_and_chained() -> None:
        last = GENESIS
        for span in spans:
            for data in _exact(owner, span):
                last = sha256(last + data).digest()

    return [
        Contestant("verified, one process", Part.OURS, examined(1)),
        Contestant("verified, two processes", Part.OURS, examined(2)),
        Contestant("with its tree, two processes", Part.OURS, examined(2, Frontier)),
        Contestant("SHA-256 chain, read from the store", Part.FLOOR, read_and_chained),
        Contestant("SHA-256 chain, bytes there", Part.FLOOR, chained),
    ]


def _exact(owner: psycopg.Connection, span: tuple[int, int]) -> list[bytes]:
    return [row[0] for row in owner.cursor(binary=True).execute(READ, span).fetchall()]


def _writing(filled: Filled, appends: int) -> list[Contestant]:
    with psycopg.connect(filled.address, autocommit=True) as owner:
        owner.execute(BARE)
    declare("bench.tick", "Tick", "{actor} ticked {item}.")

    def ours(writer: int) -> None:
        for number in range(appends):
            with transaction.atomic(using=NAME):
                subject = f"rollout/1/week-1-2/{number}"
                append(kind="bench.tick", subject=subject, actor=f"person-{writer}", body=BODY, tier="lab", using=NAME)
        connections[NAME].close()

    def bare(writer: int, statement: bytes) -> None:
        with psycopg.connect(filled.address, autocommit=True) as connection:
            for _number in range(appends):
                with connection.transaction():
                    if statement:
                        connection.execute(statement)
                    connection.execute(INSERT, [f"person-{writer}", canonical(BODY)])

    return [
        Contestant("entries appended", Part.OURS, lambda: _all(ours)),
        Contestant("bare INSERT under an advisory lock", Part.FLOOR, lambda: _all(lambda n: bare(n, LOCK))),
        Contestant("bare INSERT", Part.FLOOR, lambda: _all(lambda n: bare(n, b""))),
    ]


def _all(work: Callable[[int], None]) -> None:
    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(work, range(WRITERS)))


def _report(filled: Filled, appended: int, verified: dict[str, Times], written: dict[str, Times], page: Viewed) -> None:
    thousand = {name: filled.entries / found.median("wall") / 1000 for name, found in verified.items()}
    one, two, _tree, read, there = thousand.values()
    rate = {name: appended / found.median("wall") for name, found in written.items()}
    ours, locked, _bare = rate.values()
    tables = [
        table(
            f"Verifying {filled.entries:,} entries",
            ("thousand entries/s", "by wall", "to the chain read", "to the chain there", "own CPU, µs"),
            [
                (
                    name,
                    n,
                    f"{n / read:.2f} ×",
                    f"{n / there:.2f} ×",
                    verified[name].median("cpu") / filled.entries * 1e6,
                )
                for name, n in thousand.items()
            ],
        ),
        table(
            f"Writing by {WRITERS} at once, each in a transaction of its own",
            ("a second", "written", "to the floor"),
            [(name, n, f"{n / locked:.2f} ×") for name, n in rate.items()],
        ),
        page.table(),
    ]
    goals = [
        Goal("verifying to the chain read from the store", two / read, 0.5, least=True),
        Goal("verifying to the chain over bytes that are there", two / there, 0.5, least=True),
        Goal("two processes to one", two / one, 1.6, least=True),
        *page.goals(),
    ]
    raw = {"verified": thousand, "written": rate, "page": page.raw(), "appending": ours / locked}
    report("ledger", tables, goals, machine(psycopg=psycopg.__version__), raw)
