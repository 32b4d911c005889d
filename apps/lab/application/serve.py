"""The application's process: `python -m apps.lab.application.serve <lab directory>`. gunicorn, one worker, threads.

Once root is given up, Python's own files may be out of reach (an interpreter in root's home): whatever gunicorn,
psycopg and redis-py import late is imported here, before that.
"""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from apps.lab import layout as layouts
from apps.lab.application import configuration
from apps.lab.application.configuration import Configuration
from apps.lab.application.wsgi import Application
from apps.lab.layout import HOST
from apps.lab.processes import drop_to

LATE = ("gunicorn.glogging", "gunicorn.workers.gthread", "gunicorn.arbiter", "gunicorn.http.parser", "encodings.idna")
THREADS = 16  # more than the load's clients, so that a health question is answered while all of them wait


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with settings from the configuration instead of its command line."""

    def __init__(self, found: Configuration) -> None:
        self._configuration = found
        super().__init__()

    def load_config(self) -> None:
        """One worker, so that its counts are the application's."""
        settings: dict[str, Any] = {
            "bind": f"{HOST}:{self._configuration.port}",
            "workers": 1,
            "threads": THREADS,
            "worker_class": "gthread",
            "timeout": 60,
            "graceful_timeout": 5,
            "keepalive": 75,
            "user": os.geteuid(),  # its defaults are whoever it was imported as
            "group": os.getegid(),
            "worker_tmp_dir": str(self._configuration.folder),
            "control_socket_disable": True,
            "proc_name": "messaging",
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Application:
        """Made in the worker: threads and connections do not survive the fork."""
        return Application(self._configuration)


def main(directory: Path) -> None:
    """Read the layout as whoever started us, then go on as the servers' user."""
    layout = layouts.load(directory)
    found = configuration.of(layout)
    for module in LATE:
        import_module(module)
    drop_to(layout.user)
    Server(found).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
