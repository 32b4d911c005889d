"""The checks of metrics itself: nodes and polling, and applications watched over HTTP."""

from apps.metrics import application, itself

CHECKS = (*itself.CHECKS, *application.CHECKS)
