"""The whole examination, in the order in which things are to be mended; what is away keeps nothing else from being looked at."""

from collections.abc import Iterator
from datetime import UTC, datetime
from time import monotonic

from apps.overview.doctor import deployment, nodes, outgoing, programs, queue, store, trust, written
from apps.overview.doctor.finding import Finding, Report
from apps.telemetry import readiness


def examine(tier: str = "") -> Report:
    """Everything, each part within its own deadline; `tier`: of the tiers only this one."""
    at, began = datetime.now(UTC), monotonic()
    return Report(list(_findings(tier)), at, monotonic() - began)


def _findings(tier: str) -> Iterator[Finding]:
    part = {part.name: part for part in readiness.parts()}
    usable = part["database"].ready and part["migrations"].ready
    yield from deployment.examine()
    yield from written.examine()
    yield from store.examine(part["database"], part["migrations"])
    yield from queue.examine(part["redis"])
    if usable:
        yield from programs.examine(part["polling"])
    yield from trust.examine(store=usable)
    yield from outgoing.examine(store=usable, tier=tier)
    yield from nodes.examine(store=usable, tier=tier)
