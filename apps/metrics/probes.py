"""The probes of metrics itself: nodes, the portal, and applications watched over HTTP."""

from apps.metrics import application, budget, inward_checks, itself

PROBES = (*budget.PROBES, *application.PROBES)
TIER_PROBES = (*itself.TIER_PROBES, *budget.TIER_PROBES, *inward_checks.TIER_PROBES, *application.TIER_PROBES)
