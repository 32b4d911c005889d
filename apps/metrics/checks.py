"""The checks of metrics itself: nodes, the portal, and applications watched over HTTP."""

from dataclasses import replace

from django.conf import settings

from apps.metrics import application, budget, inward_checks, itself
from apps.metrics.kernel import NodeKind, NodeRole

EXPLAINED_BY = {"app": ((NodeKind.POSTGRES, NodeRole.PRIMARY), (NodeKind.PGBOUNCER, NodeRole.NONE))}

SILENT_AFTER = inward_checks.silence_after(settings.POLL_SECONDS)
CHECKS = (
    *itself.CHECKS,
    *budget.CHECKS,
    *(replace(c, fail=SILENT_AFTER) if c.id == inward_checks.SILENCE else c for c in inward_checks.CHECKS),
    *application.CHECKS,
)
