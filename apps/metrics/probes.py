"""The probes of metrics itself: nodes and polling, and applications watched over HTTP."""

from apps.metrics.itself import TIER_PROBES as OWN
from apps.metrics.probe import Probe

PROBES: tuple[Probe, ...] = ()
TIER_PROBES = OWN
