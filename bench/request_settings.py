"""The bare project of `bench.bare_settings`; `bench.request_variants` puts around it what is measured."""

import sys

from bench import bare_settings
from bench.bare_settings import *  # noqa: F403
from bench.programs import VENV

# Behind our own packages: only what is nowhere else comes from there.
sys.path += [str(path) for path in (VENV / "lib").glob("python*/site-packages")]

INSTALLED_APPS = [*bare_settings.INSTALLED_APPS, "apps.telemetry", "django_structlog"]
LOGGING_CONFIG = ""  # each variant sets up its own
