"""The checks of metrics itself: nodes and polling, and applications watched over HTTP."""

from apps.metrics import application, itself
from apps.metrics.kernel import NodeKind, NodeRole

EXPLAINED_BY = {"app": ((NodeKind.POSTGRES, NodeRole.PRIMARY), (NodeKind.PGBOUNCER, NodeRole.NONE))}

CHECKS = (*itself.CHECKS, *application.CHECKS)
