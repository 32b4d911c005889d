"""What is known of a tier at present, read once and kept in this process until a write to the store or the clock changes it.

Verdicts turn stale by the clock alone: a Present says until when it holds, and is read again after that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zlib import crc32

from django.conf import settings

from apps.metrics import store
from apps.metrics.kept import kept
from apps.metrics.kernel import Verdict
from apps.metrics.models import Node, NodeStatus, Tier
from apps.metrics.registry import checks

SILENT = timedelta(seconds=settings.POLL_SECONDS * 2.5)
"""A tier or node not heard of for this long is shown as stale."""


@dataclass(frozen=True, slots=True)
class Present:
    """The verdicts and nodes of a tier as of a mark of the store (`store.mark`); nobody changes any of them.

    `version` is what an open page sends back to learn whether there is news; all of it holds until `until`.
    """

    mark: int
    verdicts: Sequence[Verdict]
    nodes: Sequence[Node]
    version: str
    until: datetime

    @property
    def holds(self) -> bool:
        """Whether the clock has changed nothing yet."""
        return datetime.now(UTC) < self.until


_latest: dict[str, Present] = {}


def present(tier: Tier, mark: int) -> Present:
    """What is known of a tier now, `mark` being the store's: without a query where this process has read it already."""
    found = kept(("present", tier.pk, mark), lambda: _read(tier, mark), lambda known: known.holds)
    _latest[tier.slug] = found
    return found


def latest(slug: str) -> Present | None:
    """What this process read last of the tier of this name; whether it is still so, its mark tells."""
    return _latest.get(slug)


def _read(tier: Tier, mark: int) -> Present:
    now = datetime.now(UTC)
    verdicts = store.verdicts(tier, now=now)
    nodes = list(Node.objects.filter(tier=tier).select_related("status").order_by("name"))
    polled_at = polled(nodes)
    ends = [v.at + checks()[v.check_id].stale_after for v in verdicts if v.at and v.state.known]
    silent = silent_at(polled_at, now)
    if polled_at and not silent:
        ends.append(polled_at + SILENT)
    until = min(ends, default=now + SILENT)
    return Present(mark, verdicts, nodes, version_of(verdicts, polled_at, silent=silent), until)


def polled(nodes: Sequence[Node]) -> datetime | None:
    """The slot of the last poll that was kept."""
    return max((status.slot for status in map(status_of, nodes) if status), default=None)


def silent_at(polled_at: datetime | None, now: datetime) -> bool:
    """Whether no poll has been kept lately: then nothing on a page is present."""
    return polled_at is None or now - polled_at > SILENT


def version_of(verdicts: Sequence[Verdict], polled_at: datetime | None, *, silent: bool) -> str:
    """Changes with each poll, and when something turns stale without one."""
    states = "".join(f"{v.check_id}{v.node}{v.object}{v.state}" for v in verdicts)
    last = f"{polled_at:%Y%m%dT%H%M%S}" if polled_at else "never"
    return f"{last}-{crc32(f'{states}{silent}'.encode()):08x}"


def status_of(node: Node) -> NodeStatus | None:
    """How the last poll found a node; None before its first poll."""
    return getattr(node, "status", None)
