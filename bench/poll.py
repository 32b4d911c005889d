"""One poll of the tier: ours, the usual exporters, and the floor (the same questions, nothing looked at)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg
import redis
from django.conf import settings
from psycopg import sql

from apps.lab import postgres
from apps.lab.layout import REPLICAS, Layout, Node
from apps.lab.register import LOGIN
from apps.lab.tier import Lab
from apps.metrics.collect import Before, Collector, NodePoll
from apps.metrics.kernel import NodeKind, NodeRole
from apps.metrics.models import Slot, Tier
from apps.metrics.poll import forget, poll, slot_of
from apps.metrics.probe import FAST, Probe
from apps.metrics.readers import Target
from apps.metrics.readers.base import APPLICATION_NAME
from apps.metrics.registry import probes
from bench import exporters as peer
from bench import floor as bare
from bench.harness import Contestant, Goal, Part, Times, machine, race, report, table, with_children
from bench.history import furnish

SERVERS = (Node.PRIMARY, *REPLICAS, Node.PGBOUNCER, Node.REDIS)
OURS, STORED, PEER, FLOOR = "portal, collected", "portal, judged and stored", "Prometheus exporters", "floor"
MILLI = 1000


class Asked:
    """The portal's collector over the five servers, with every fast probe due and the answers before in its memory."""

    def __init__(self, layout: Layout) -> None:
        urls = {
            node: layout.redis_url(node, LOGIN, direct=True)
            if node is Node.REDIS
            else layout.dsn(node, LOGIN, direct=True)
            for node in SERVERS
        }
        kinds = {Node.PGBOUNCER: NodeKind.PGBOUNCER, Node.REDIS: NodeKind.REDIS}
        self.targets = [
            Target(n, node.value, kinds.get(node, NodeKind.POSTGRES), NodeRole.NONE, url)
            for n, (node, url) in enumerate(urls.items(), 1)
        ]
        fast = [probe for probe in probes().values() if probe.every == FAST]
        self.probes: Mapping[int, Sequence[Probe]] = {
            t.id: [probe for probe in fast if probe.kind is t.kind] for t in self.targets
        }
        self.before: dict[tuple[int, str], Before] = {}
        self.collector = Collector(timedelta(seconds=4))

    def poll(self) -> list[NodePoll]:
        """One poll; raises RuntimeError when a server did not answer."""
        polled = self.collector.poll(self.targets, self.probes, self.before)
        for one in polled:
            if one.failure:
                raise RuntimeError(f"{one.target.name}: {one.failure.message}")
            for answer in one.answers.values():
                self.before[one.target.id, answer.probe_id] = Before(answer.rows, one.at)
        return polled

    def close(self) -> None:
        """Hang up."""
        self.collector.close()


@dataclass(frozen=True, slots=True)
class Cost:
    """What one poll costs besides time: statements that the PostgreSQL servers counted, sessions held at a server at most."""

    statements: int
    sessions: int


def main(lab: Lab, quick: bool) -> None:
    """Measure and print."""
    layout, rounds = lab.layout, 8 if quick else 60
    undo, tier_poll = _stored(layout, furnish(layout))
    undo()  # what a run that was killed has left
    with (
        closing(Asked(layout)) as ours,
        peer.exporters(layout) as theirs,
        closing(bare.Floor(_said_to_redis(layout, ours.poll))) as floor,
    ):
        roles = {one.target.id: one.identity.role.value for one in ours.poll() if one.identity}
        floor.open(ours.targets, ours.probes, roles)
        asked = {OURS: ours.poll, STORED: tier_poll, PEER: theirs.scrape, FLOOR: floor.ask}
        names = {OURS: APPLICATION_NAME, PEER: peer.APPLICATION, FLOOR: bare.APPLICATION}
        costs = {name: _cost(layout, asked[name], application) for name, application in names.items()}
        samples = sum(len(answer.samples) for one in ours.poll() for answer in one.answers.values())
        contestants = [
            Contestant(OURS, Part.OURS, ours.poll),
            Contestant(STORED, Part.OURS, tier_poll),
            Contestant(PEER, Part.PEER, theirs.scrape, pids=lambda: theirs.pids),
            Contestant(FLOOR, Part.FLOOR, floor.ask),
        ]
        roots = [process.pid for name in SERVERS if (process := lab.servers.find(name))]
        times = race(contestants, rounds, lambda: with_children(roots))
    undo()
    _report(layout, times, costs, samples, rounds)


def _stored(layout: Layout, tier: Tier) -> tuple[Callable[[], object], Callable[[], object]]:
    """A poll of the registered tier (its six nodes, the application too), kept in the store; slot after slot, from yesterday on.

    Yesterday, because a probe's turn comes by slot: tomorrow, the slow ones would be due at every poll.
    """
    begin = slot_of(datetime.now(UTC)) - timedelta(days=1)
    end = begin + timedelta(hours=12)
    numbers = iter(range(4000))

    def once() -> object:
        return poll(tier, begin + next(numbers) * timedelta(seconds=settings.POLL_SECONDS))

    def undo() -> None:
        Slot.objects.filter(tier=tier, at__range=(begin, end)).delete()
        with psycopg.connect(
            layout.dsn(Node.STORE, "opsportal_owner")
        ) as owner:  # the serving login only adds to history
            for name in ("metrics_sample", "metrics_poll"):
                owner.execute(
                    sql.SQL("DELETE FROM {} WHERE at BETWEEN %s AND %s").format(sql.Identifier(name)), [begin, end]
                )
        forget(tier)

    return undo, once


def _said_to_redis(layout: Layout, poll: Callable[[], object]) -> list[list[str]]:
    """The commands of one poll of ours, as Redis heard them."""
    poll()
    heard: list[list[str]] = []
    url = layout.redis_url(Node.REDIS, "lab", direct=True)
    with redis.Redis.from_url(url, decode_responses=True) as client, client.monitor() as monitor:
        poll()
        client.echo("bench:end")
        for said in monitor.listen():
            words = said["command"].split(" ")
            if words[0] == "ECHO":
                break
            heard.append(words)
    return [words for words in heard if words[0].upper() not in {"AUTH", "HELLO", "CLIENT", "SELECT"}]


def _cost(layout: Layout, ask: Callable[[], object], application: str) -> Cost:
    ask()
    before = _statements(layout)
    ask()
    return Cost(_statements(layout) - before, _sessions(layout, application))


def _statements(layout: Layout) -> int:
    return sum(
        _numbers(
            layout,
            "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid WHERE rolname = %s",
            LOGIN,
        )
    )


def _sessions(layout: Layout, application: str) -> int:
    return max(_numbers(layout, "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", application))


def _numbers(layout: Layout, question: str, word: str) -> Iterable[int]:
    for node in (Node.PRIMARY, *REPLICAS):
        with postgres.connect(layout, node, "messaging") as connection:
            row = connection.execute(question, [word]).fetchone()
            yield int(row[0]) if row else 0


def _report(layout: Layout, times: dict[str, Times], costs: dict[str, Cost], samples: int, rounds: int) -> None:
    rows = []
    for name, found in times.items():
        cost = costs.get(name)
        wall, cpu, servers = (found.median(what) * MILLI for what in ("wall", "cpu", "servers"))
        ratio = found.median("cpu") / times[FLOOR].median("cpu")
        rows.append(
            (name, wall, cpu, f"{ratio:.2f} ×", servers, cost.sessions if cost else "", cost.statements if cost else "")
        )
    head = ("one poll, ms", "wall", "own CPU", "to the floor", "servers' CPU", "sessions", "statements")
    own, floor, exporter = (times[name].median("cpu") for name in (OURS, FLOOR, PEER))
    goals = [
        Goal("own CPU to the floor's", own / floor, 1.3),
        Goal("own CPU to the exporters'", own / exporter, 0.2),
        Goal("servers' CPU to the exporters'", times[OURS].median("servers") / times[PEER].median("servers"), 1.0),
        Goal("sessions held at a server", float(costs[OURS].sessions), 1.0),
    ]
    with psycopg.connect(layout.dsn(Node.PRIMARY, LOGIN, direct=True)) as connection:
        version = connection.info.parameter_status("server_version") or ""
    title = f"One poll of five servers: {samples} samples; medians of {rounds} interleaved rounds"
    report("poll", [table(title, head, rows)], goals, machine(postgresql=version, psycopg=psycopg.__version__), {
        name: {what: found.median(what) for what in ("wall", "cpu", "servers")} for name, found in times.items()
    })  # fmt: skip
