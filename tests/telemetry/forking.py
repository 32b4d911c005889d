"""A program that forks after it began its work, as gunicorn does with its workers: `python -m tests.telemetry.forking 3`.

Each of the two sends so many queries and says a line. The child ends without ceremony once the portal's Redis has what it did, so
that nothing but its own thread can have brought it there.
"""

import os
import sys
import time

import django
from django.conf import settings


def main(count: int) -> None:
    """Set up a bare application; ask and say, fork, ask and say again in the child."""
    settings.configure(
        INSTALLED_APPS=["apps.telemetry"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        REDIS_URL=os.environ["OPSPORTAL_REDIS_URL"],
        TELEMETRY_REDIS_URL=os.environ["TELEMETRY_REDIS_URL"],
        LOGGING_CONFIG=None,
    )
    django.setup()
    import structlog  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    from apps.telemetry import lines, logs, windows  # noqa: PLC0415

    logs.configure({"keep": True})

    def work(who: str) -> None:
        with connection.cursor() as cursor:
            for _ in range(count):
                cursor.execute("SELECT 1")
        structlog.get_logger().info(f"said by the {who}")

    work("parent")
    child = os.fork()
    if not child:
        connection.close()
        work("child")
        wanted, end = lines.Wanted(text="said by the child"), time.monotonic() + 20
        while time.monotonic() < end and not (windows.total() and lines.find(wanted).lines):
            time.sleep(0.05)
        os._exit(0)
    os.waitpid(child, 0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
