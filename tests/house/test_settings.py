"""What the portal refuses to be started with."""

import os
import subprocess
import sys

from django.conf import settings

from opsportal.celery import app


def test_no_web_server_serves_with_a_secret_that_anybody_can_read() -> None:
    without = {name: value for name, value in os.environ.items() if not name.startswith("OPSPORTAL_SECRET_KEY")}
    run = subprocess.run(
        [sys.executable, "-c", "import opsportal.wsgi"],
        cwd=settings.BASE_DIR,
        env=without,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert "OPSPORTAL_SECRET_KEY is not set" in run.stderr


def test_whatever_beat_orders_is_a_task_that_a_worker_has_and_history_is_kept_often_enough() -> None:
    app.loader.import_default_modules()
    ordered = {str(one["task"]): float(str(one["schedule"])) for one in settings.CELERY_BEAT_SCHEDULE.values()}
    assert set(ordered) - set(app.tasks) == set()
    assert ordered["apps.metrics.tasks.maintain"] <= 600, "as docs/operating.md says"
    assert ordered["apps.metrics.tasks.deliver"] <= 5, "the first pause of what failed"
    assert "apps.batch.tasks.forget_old" in ordered


def test_the_plain_project_of_the_benchmarks_starts() -> None:
    """The other plain project of the benchmarks is this one with a peer in it, which only `make bench` installs."""
    run = subprocess.run(
        [sys.executable, "-c", "import django; django.setup()"],
        cwd=settings.BASE_DIR,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "bench.bare_settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
