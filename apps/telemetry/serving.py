"""Gunicorn's own words in the portal's log format: `logger_class = "apps.telemetry.serving.Logger"`."""

from typing import Any

from django.conf import settings
from gunicorn import glogging  # type: ignore[import-untyped]

from apps.telemetry.logs import configure


class Logger(glogging.Logger):  # type: ignore[misc]  # gunicorn is not typed
    """Gunicorn's logger, whose lines go where all others go. Requests are logged by `CorrelationMiddleware`, once."""

    def setup(self, cfg: Any) -> None:
        """Called by gunicorn when it starts and when it reloads its configuration."""
        super().setup(cfg)
        # At the start Django is not there yet; what it sets up then has to stand when gunicorn reloads.
        configure(settings.LOGGING if settings.configured else None)
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True
