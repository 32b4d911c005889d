"""The checks of metrics itself."""

from apps.metrics.itself import CHECKS as OWN

CHECKS = (*OWN,)
