"""`/healthz` says that this process lives; `/readyz` which part of what it needs is not there."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from tests.ledger.conftest import Sql, owner

__all__ = ["owner"]

PROBE = """
import django, sys
django.setup()
from django.test import Client
response = Client(SERVER_NAME="localhost").get("/readyz")
sys.stdout.write(f"{response.status_code} {response.content.decode()}")
"""


def test_alive_without_asking_the_database(db: None, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        response = Client().get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})
    assert "no-cache" in response.headers["Cache-Control"]


def test_ready_when_everything_answers(db: None) -> None:
    response = Client().get("/readyz")
    assert response.status_code == 200
    assert {name: part["ready"] for name, part in response.json()["parts"].items()} == {
        "database": True,
        "migrations": True,
        "redis": True,
        "polling": True,
    }
    assert response.json()["parts"]["polling"]["detail"] == "no tier has a node yet"


def test_not_ready_while_a_migration_is_missing(transactional_db: None, owner: Sql) -> None:
    owner("DELETE FROM django_migrations WHERE app = 'accounts'")
    response = Client().get("/readyz")
    assert response.status_code == 503
    parts = response.json()["parts"]
    assert parts["database"]["ready"]
    assert not parts["migrations"]["ready"]
    assert "accounts.0001_initial" in parts["migrations"]["detail"]
    assert "manage.py migrate" in parts["migrations"]["detail"]


def test_not_ready_without_redis(db: None, settings: Settings) -> None:
    settings.REDIS_URL = "redis://:s3cr3t@127.0.0.1:1"
    response = Client().get("/readyz")
    assert response.status_code == 503
    assert not response.json()["parts"]["redis"]["ready"]
    assert "s3cr3t" not in response.content.decode()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "192.0.2.1:5432"], ids=["refuses", "is silent"])
def test_not_ready_without_the_database_and_it_says_so_in_time(
    portal_environment: dict[str, str], address: str
) -> None:
    environment = (
        os.environ
        | portal_environment
        | {
            "OPSPORTAL_DATABASE_URL": f"postgresql://opsportal_app:s3cr3t@{address}/opsportal",
            "DJANGO_SETTINGS_MODULE": "opsportal.settings",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
    )
    started = time.monotonic()
    said = subprocess.run(
        [sys.executable, "-c", PROBE], env=environment, capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert time.monotonic() - started < 30
    status, _, body = said.partition(" ")
    assert status == "503"
    parts = json.loads(body)["parts"]
    assert not parts["database"]["ready"]
    assert parts["database"]["milliseconds"] < 5000
    assert not parts["migrations"]["ready"]
    assert "s3cr3t" not in said
    assert connection.vendor == "postgresql"
