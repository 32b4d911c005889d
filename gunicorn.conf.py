"""How gunicorn serves the portal; read from the working directory by `make demo` and docker-compose.yml alike.

Threads and not more processes: a request waits for the database most of its time (docs/decisions/0003-gunicorn-gthread.md).
The addresses to listen on come from the command line.
"""

import gc
import os
import sys
from pathlib import Path
from typing import Any

worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
threads = 8
# Imported once and shared; nothing connects to anything at import.
preload_app = True
timeout = 60
graceful_timeout = 5
keepalive = 15
max_requests = 20_000
max_requests_jitter = 2_000
# A worker's heartbeat file must not be on a disk that can stall it.
memory = Path("/dev/shm")  # noqa: S108  made by gunicorn, unlinked at once
worker_tmp_dir = str(memory) if memory.is_dir() else None
# Requests are logged by apps.telemetry, once and as JSON.
accesslog = None
logger_class = "apps.telemetry.serving.Logger"
control_socket_disable = True


def when_ready(_server: Any) -> None:
    """Before the first worker is forked: what was imported stays, so the collector need not look through it ever again.

    Collections get shorter, workers share that memory for good, and each ends in a fraction of the time.
    """
    if watchman := sys.modules.get("apps.metrics.watchman"):
        watchman.rest()
    gc.collect()
    gc.freeze()
