"""The bare project of `bench.bare_settings`, with what BENCH_VARIANT names around it; see `bench/requests.py`."""

import os
import sys

from bench import bare_settings
from bench.bare_settings import *  # noqa: F403
from bench.programs import VENV

VARIANT = os.environ["BENCH_VARIANT"]
# Behind our own packages: only what is nowhere else comes from there.
sys.path += [str(path) for path in (VENV / "lib").glob("python*/site-packages")]

MIDDLEWARE = list(bare_settings.MIDDLEWARE)
INSTALLED_APPS = list(bare_settings.INSTALLED_APPS)
ROOT_URLCONF = "bench.bare"
LOGGING_CONFIG = ""  # none
LOGGING = {"level": "INFO"}  # without any Django sets up nothing

match VARIANT:
    case "plain":
        MIDDLEWARE.insert(0, "bench.request_loop.PlainLine")
        LOGGING_CONFIG = "bench.request_loop.log_plainly"
    case "structlog":
        MIDDLEWARE.insert(0, "django_structlog.middlewares.RequestMiddleware")
        INSTALLED_APPS.append("django_structlog")
        LOGGING_CONFIG = "bench.request_loop.log_by_structlog"
    case "monitor":
        INSTALLED_APPS.append("apps.telemetry")
        LOGGING_CONFIG = "apps.telemetry.logs.configure"  # a busy machine has slow queries to tell of
    case "portal":
        MIDDLEWARE.insert(0, "apps.telemetry.middleware.CorrelationMiddleware")
        INSTALLED_APPS.append("apps.telemetry")
        LOGGING_CONFIG, LOGGING = "apps.telemetry.logs.configure", {"level": "INFO", "keep": True}
