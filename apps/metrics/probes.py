"""The probes of metrics itself: nodes and polling, and applications watched over HTTP."""

from apps.metrics import application, itself

PROBES = application.PROBES
TIER_PROBES = (*itself.TIER_PROBES, *application.TIER_PROBES)
