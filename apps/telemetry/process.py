"""Which of the portal's programs this process is: one word for log lines, query figures and the store's session list."""

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import PurePath

WEB, WORKER, BEAT = "web", "worker", "beat"
SERVERS = {"gunicorn", "uvicorn", "daphne", "hypercorn", "waitress-serve", "runserver"}


def name_of(argv: Sequence[str]) -> str:
    """
    The program that a command line starts: web, worker, beat, a management command's name, or the file's.

    >>> name_of(["/venv/bin/gunicorn", "opsportal.wsgi:application"]), name_of(["celery", "-A", "opsportal", "worker"])
    ('web', 'worker')
    >>> name_of(["manage.py", "people", "list"]), name_of(["/venv/bin/celery/__main__.py", "beat"]), name_of([""])
    ('people', 'beat', 'python')
    """
    path = PurePath(argv[0]) if argv else PurePath()
    program = path.parent.name if path.stem == "__main__" else path.stem
    if program in SERVERS or (program == "manage" and "runserver" in argv[1:2]):
        return WEB
    if program == "celery":
        return next((word for word in argv[1:] if word in {WORKER, BEAT}), program)
    if program == "manage":
        return argv[1] if len(argv) > 1 else program
    return program or "python"


NAME = name_of(sys.argv)


def identity() -> str:
    """This process among all of all hosts: `web@host:1234`; another one after a fork."""
    return f"{NAME}@{socket.gethostname()[:60]}:{os.getpid()}"
