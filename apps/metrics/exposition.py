"""What exporters have a name for under that name, the newest samples under the portal's, and the state of every check.

In Prometheus' text format, for those who scrape the portal.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import math
from collections.abc import Collection, Iterator, Mapping
from itertools import groupby
from pathlib import Path

from apps.accounts.statements import ask
from apps.metrics import store
from apps.metrics.exporters import Kind, Reading, readings
from apps.metrics.kernel import NodeKind, State
from apps.metrics.models import Tier
from apps.metrics.names import external, quoted
from apps.metrics.registry import exported

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LATEST = (Path(__file__).parent / "sql" / "latest.sql").read_text(encoding="utf-8")
UP = "node.state.up"
KNOWN_UP = {NodeKind.POSTGRES: "pg_up", NodeKind.PGBOUNCER: "pgbouncer_up", NodeKind.REDIS: "redis_up"}
STATE = "opsportal_check_state"
STATE_HELP = "1 for the state that a check is in now: pass, warn, fail, inconclusive, no_data, error."


def exposition(tiers: Collection[str] | None = None) -> str:
    """All series and check states, grouped by name as the format wants it; few reads of the portal's own store.

    `tiers`: the slugs of those that may be told of; None: all.
    """
    found = [*readings(exported()), *_samples(), *_states()]
    if tiers is not None:
        found = [line for line in found if line.labels["tier"] in tiers]
    found.sort(key=lambda line: line.name)
    text: list[str] = []
    for (name, kind), lines in groupby(found, key=lambda line: (line.name, line.kind)):
        if name == STATE:
            text.append(f"# HELP {name} {STATE_HELP}")
        text.append(f"# TYPE {name} {kind}")
        text += [written(line.name, line.labels, line.value) for line in lines]
    return "\n".join(text) + "\n"


def written(name: str, labels: Mapping[str, str], value: float) -> str:
    r"""One line of the format; a label that is empty is left out, which means the same there.

    >>> written("opsportal_app_reach_up", {"tier": "lab", "object": ""}, 1.0)
    'opsportal_app_reach_up{tier="lab"} 1.0'
    >>> written("opsportal_cache_info_x", {"tier": "infra"}, float("inf")), written("x", {"tier": "a"}, float("nan"))
    ('opsportal_cache_info_x{tier="infra"} +Inf', 'x{tier="a"} NaN')
    """
    inside = ",".join(f"{label}={quoted(said)}" for label, said in labels.items() if said)
    said = {math.inf: "+Inf", -math.inf: "-Inf"}.get(value) or ("NaN" if math.isnan(value) else repr(float(value)))
    return f"{name}{{{inside}}} {said}"


def _samples() -> Iterator[Reading]:
    for tier, node, kind, role, metric, of, value, _at in ask(LATEST, {}):
        labels = {"tier": tier, "node": node}
        yield Reading(external(metric), Kind.GAUGE, labels | {"object": of}, value)
        if metric == UP and kind in KNOWN_UP:
            yield Reading(KNOWN_UP[NodeKind(kind)], Kind.GAUGE, labels | {"role": role}, value)


def _states() -> Iterator[Reading]:
    for tier in Tier.objects.order_by("slug"):
        for verdict in store.verdicts(tier):
            labels = {"tier": tier.slug, "node": verdict.node, "object": verdict.object, "check": verdict.check_id}
            for state in State:
                yield Reading(STATE, Kind.GAUGE, labels | {"state": state.value}, float(state is verdict.state))
