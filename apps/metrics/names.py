"""The names of metrics outside of the portal, by Prometheus' conventions: one place for remote write, reading and exposition.

`pools.pools.maxwait` of a database on a node is `opsportal_pools_pools_maxwait{tier="…", node="…", object="…"}`.
https://prometheus.io/docs/practices/naming/
"""

import re

PREFIX = "opsportal_"
LABELS = ("tier", "node", "object")
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_:]")


def external(metric: str) -> str:
    """A metric's name as Prometheus writes it.

    >>> external("replicas.lag.seconds")
    'opsportal_replicas_lag_seconds'
    """
    return PREFIX + _NOT_IN_NAMES.sub("_", metric)


def labels(metric: str, tier: str, node: str, of: str) -> dict[str, str]:
    """All labels of a series, its name among them; an empty one is left out, which means the same there.

    >>> labels("node.state.up", "lab", "lab-redis", "")
    {'__name__': 'opsportal_node_state_up', 'node': 'lab-redis', 'tier': 'lab'}
    """
    found = {"__name__": external(metric), "tier": tier, "node": node, "object": of}
    return {name: value for name, value in sorted(found.items()) if value}


def quoted(value: str) -> str:
    r"""A label's value within a query.

    >>> print(quoted('a"b\\c'))
    "a\"b\\c"
    """
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
