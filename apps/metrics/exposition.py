"""The newest samples and the state of every check in Prometheus' text format, for those who scrape the portal.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from apps.accounts.statements import ask
from apps.metrics import store
from apps.metrics.kernel import NodeKind, State
from apps.metrics.models import Tier
from apps.metrics.names import external, quoted

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LATEST = (Path(__file__).parent / "sql" / "latest.sql").read_text(encoding="utf-8")
UP = "node.state.up"
# What exporters everywhere call the same; dashboards and alerts made for them go on working.
KNOWN_UP = {NodeKind.POSTGRES: "pg_up", NodeKind.PGBOUNCER: "pgbouncer_up", NodeKind.REDIS: "redis_up"}
STATE = "opsportal_check_state"
STATE_HELP = "1 for the state that a check is in now: pass, warn, fail, inconclusive, no_data, error."

Line = tuple[str, dict[str, str], float]


def exposition() -> str:
    """All series of all tiers and all check states, grouped by name as the format wants it; few reads of the portal's own store."""
    found = [*_samples(), *_states()]
    found.sort(key=lambda line: line[0])
    text: list[str] = []
    for name, lines in groupby(found, key=lambda line: line[0]):
        if name == STATE:
            text.append(f"# HELP {name} {STATE_HELP}")
        text.append(f"# TYPE {name} gauge")
        text += [written(*line) for line in lines]
    return "\n".join(text) + "\n"


def written(name: str, labels: dict[str, str], value: float) -> str:
    r"""One line of the format; a label that is empty is left out, which means the same there.

    >>> written("opsportal_app_reach_up", {"tier": "lab", "object": ""}, 1.0)
    'opsportal_app_reach_up{tier="lab"} 1.0'
    """
    inside = ",".join(f"{label}={quoted(said)}" for label, said in labels.items() if said)
    return f"{name}{{{inside}}} {float(value)!r}".replace("inf", "+Inf").replace("-+Inf", "-Inf")


def _samples() -> Iterator[Line]:
    for tier, node, kind, role, metric, of, value, _at in ask(LATEST, {}):
        labels = {"tier": tier, "node": node}
        yield external(metric), labels | {"object": of}, value
        if metric == UP and kind in KNOWN_UP:
            yield KNOWN_UP[NodeKind(kind)], labels | {"role": role}, value


def _states() -> Iterable[Line]:
    for tier in Tier.objects.order_by("slug"):
        for verdict in store.verdicts(tier):
            labels = {"tier": tier.slug, "node": verdict.node, "object": verdict.object, "check": verdict.check_id}
            for state in State:
                yield STATE, labels | {"state": state.value}, float(state is verdict.state)
