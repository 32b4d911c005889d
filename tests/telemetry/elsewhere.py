"""Another Django application with nothing of the portal but its monitor: `python -m tests.telemetry.elsewhere 30 10`.

Sends so many queries, every so manyth slow, and hands its figures over as its process ends.
"""

import os
import sys

import django
from django.conf import settings


def main(count: int, every: int) -> None:
    """Set up a bare application, ask its SQLite."""
    settings.configure(
        INSTALLED_APPS=["apps.telemetry"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        REDIS_URL=os.environ["OPSPORTAL_REDIS_URL"],
        TELEMETRY_REDIS_URL=os.environ["TELEMETRY_REDIS_URL"],
        SLOW_QUERY_MS=20,
        LOGGING_CONFIG=None,
    )
    django.setup()
    from time import sleep  # noqa: PLC0415

    from django.db import connection  # noqa: PLC0415

    with connection.cursor() as cursor:
        connection.connection.create_function("elsewhere", 1, sleep)
        for number in range(count):
            cursor.execute("SELECT elsewhere(%s)", [0.03 if number % every == 0 else 0.0])


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
