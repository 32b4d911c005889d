"""What the servers' answers of one poll tell together: is there a primary, who restarted, which statements take the time."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from apps.metrics.kernel import NodeKind, NodeRole, NodeView, Row, Rows, Sample, TierView
from apps.metrics.probe import share
from apps.queries.workload import Work, total, work_between

SERVERS, TOP, WAITING = "queries.servers", "queries.top", "queries.waiting"
WAIT_TYPES = ("CPU", "IO", "LWLock", "Lock")
SHOWN = 600  # characters of a text, in a table
# The server's process, and the one that all its sessions live and die with: a session that crashes takes it along, the server's not.
BEGAN = ("started_at", "working_since")
RESTART_SHOWN = timedelta(minutes=10)
ALL = "(all statements)"
Told = tuple[Iterable[Row], Iterable[Sample]]


def servers(view: TierView) -> Told:
    """Whether a primary answers (tier), and of each server whether it was seen to start anew within the last ten minutes.

    A server that does not answer keeps what was known of it.
    """
    known = {row["node"]: row for row in view.previous}
    rows = [_server(view, node, known.get(node.name)) for node in view.of(NodeKind.POSTGRES)]
    samples = [Sample(f"{SERVERS}.restarted", float(row["restarted"]), node=row["node"]) for row in rows if row["up"]]
    primaries = view.of(NodeKind.POSTGRES, NodeRole.PRIMARY)
    up = any(node.failure is None for node in primaries)
    return rows, [*samples, Sample(f"{SERVERS}.primary_up", float(up))]


def _server(view: TierView, node: NodeView, known: Row | None) -> dict[str, Any]:
    before, answer = known or {}, (node.rows("queries.counters") or ({},))[0]
    noticed, now = before.get("noticed_at"), {key: answer.get(key) or before.get(key) for key in BEGAN}
    if any(before.get(key) and now[key] != before[key] for key in BEGAN):
        noticed = view.at.isoformat()
    recently = noticed is not None and view.at - datetime.fromisoformat(noticed) < RESTART_SHOWN
    return {
        "node": node.name,
        "role": (node.role or node.declared_role).value,
        "up": node.failure is None,
        **now,
        "noticed_at": noticed,
        "restarted": recently,
    }


def waiting(view: TierView) -> Told:
    """Sessions at work on all servers that answered, by the type of what they wait for; usual types that nobody waits for are 0."""
    answers = [answer for node in view.of(NodeKind.POSTGRES) if (answer := node.rows("queries.waits")) is not None]
    if not answers:
        return (), ()
    found = dict.fromkeys(WAIT_TYPES, 0)
    for row in (row for answer in answers for row in answer):
        found[row["object"]] = found.get(row["object"], 0) + row["sessions"]
    samples = [Sample(f"{WAITING}.sessions", sessions, of) for of, sessions in found.items()]
    return [{"object": of, "sessions": sessions} for of, sessions in found.items()], samples


def top(view: TierView) -> Told:
    """A row for each server and statement: its work since the poll before, its counters and, once read, its text. No samples.

    Rows of a server that did not answer are left out; its counters are kept no longer, so that the next interval never spans a gap.
    """
    texts = {(row["node"], row["object"]): row["query"] for row in view.previous if row["query"]}
    earlier: dict[str, list[Row]] = {}
    for row in view.previous:
        earlier.setdefault(row["node"], []).append(row)
    for node in view.of(NodeKind.POSTGRES):
        read = node.rows("queries.texts") or ()
        texts |= {(node.name, row["object"]): (row["query"] or "")[:SHOWN] for row in read}
    rows: list[Row] = []
    for node in view.of(NodeKind.POSTGRES):
        answer = node.rows("queries.statements")
        if answer:
            rows += _statements(node.name, answer, tuple(earlier.get(node.name, ())), texts)
    return sorted(rows, key=lambda row: (-(row["recent_share"] or 0.0), -row["total_ms"])), ()


def _statements(node: str, now: Rows, before: Rows, texts: dict[tuple[str, str], str]) -> Iterator[dict[str, Any]]:
    works = work_between(now, before)
    everything = Work(
        sum(work.calls for work in works.values()),
        sum(work.total_ms for work in works.values()),
        sum(work.rows for work in works.values()),
    )
    whole = total(now)
    for row in now:
        work = works.get(row["object"]) if row["object"] else everything
        busy = work is not None and work.calls > 0
        yield {
            **row,
            "node": node,
            "page": row["object"],
            "query": texts.get((node, row["object"]), "") if row["object"] else ALL,
            "recent_calls": work.calls if work else 0,
            "recent_mean_ms": work.mean_ms if work and busy else None,
            "recent_share": share(work.total_ms if work else 0.0, everything.total_ms),
            "mean_ms": share(row["total_ms"], row["calls"]),
            "share": share(row["total_ms"], whole["total_ms"]) if whole else None,
        }
