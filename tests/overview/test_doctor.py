"""`manage.py doctor`: what a deployment lacks is named with the line that mends it, whatever else is away."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings
from django.utils import timezone
from pytest_django import Settings

from apps.accounts.models import Person
from apps.lab import redis
from apps.lab.layout import Layout
from apps.lab.layout import Node as Server
from apps.metrics import announce, outbox
from apps.metrics.models import Channel, Forwarding, Node, Tier, Unsent
from apps.metrics.secrets import seal
from apps.overview.doctor import deployment
from apps.overview.doctor.finding import Finding, Report, State
from tests.ledger.conftest import Sql, owner
from tests.receivers import Hook, Mailbox

__all__ = ["owner"]


def report() -> tuple[int, list[dict[str, Any]]]:
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("doctor", "--json", stdout=out)
    document = json.loads(out.getvalue())
    assert document["format"] == "opsportal-doctor/1"
    assert set(document) == {"format", "at", "seconds", "state", "sentence", "counts", "findings"}
    assert document["counts"] == {s: [f["state"] for f in document["findings"]].count(s) for s in document["counts"]}
    keys = {"id", "title", "state", "detail", "remedy", "commands", "tier", "node"}  # as docs/operating.md names them
    assert all(set(finding) == keys for finding in document["findings"])
    return int(str(ended.value.code)), document["findings"]


def findings() -> list[dict[str, Any]]:
    return report()[1]


def doctor() -> tuple[int, dict[str, dict[str, Any]]]:
    status, found = report()
    return status, {finding["id"]: finding for finding in found}


def test_what_is_right_is_fine_and_what_is_not_running_is_named(db: None) -> None:
    status, found = doctor()
    for name in (
        "settings.debug",
        "written.playbook",
        "store.database",
        "store.migrations",
        "store.login",
        "store.partitions",
        "redis.policy",
    ):
        assert found[name]["state"] == "fine", found[name]
    assert found["programs.worker"]["state"] == "failure"
    assert "celery -A opsportal worker" in found["programs.worker"]["commands"][0]
    assert found["programs.beat"]["state"] == "failure"
    assert "celery -A opsportal beat" in found["programs.beat"]["commands"][0]
    assert status == 2


@pytest.mark.parametrize(
    ("states", "status", "state"),
    [
        ([State.FINE], 0, State.FINE),
        ([State.FINE, State.WARNING], 1, State.WARNING),
        ([State.FINE, State.UNKNOWN], 1, State.WARNING),
        ([State.WARNING, State.FAILURE, State.UNKNOWN], 2, State.FAILURE),
    ],
)
def test_the_exit_status_is_that_of_the_worst(states: list[State], status: int, state: State) -> None:
    found = Report([Finding("a.b", "B", each, "") for each in states], timezone.now(), 0.1)
    assert (found.exit_status, found.document()["state"]) == (status, state.value)


@pytest.mark.parametrize(
    ("changed", "of", "state", "said"),
    [
        ({"DEBUG": True}, "debug", "failure", "OPSPORTAL_DEBUG is on"),
        ({"ALLOWED_HOSTS": ["elsewhere.example"]}, "hosts", "failure", "which is not among OPSPORTAL_HOSTS"),
        ({"ALLOWED_HOSTS": ["*"]}, "hosts", "warning", "admits every name"),
        ({"SECRET_KEY": settings.NO_SECRET}, "secret_key", "failure", "is not set"),
        ({"SECRET_KEY": "short"}, "secret_key", "warning", "sessions could be forged"),
        ({"ORIGIN": "http://ops.example.org"}, "tls", "warning", "is not TLS"),
        ({"LOGGING": settings.LOGGING | {"level": "DEBUG"}}, "log_level", "warning", "which fills disks"),
        ({"X_FRAME_OPTIONS": "SAMEORIGIN"}, "system_checks", "warning", "security.W019"),
    ],
)
def test_a_setting_that_a_deployment_must_not_have_is_told_with_its_cure(
    changed: dict[str, Any], of: str, state: str, said: str
) -> None:
    before = {finding.id: finding.state for finding in deployment.examine()}
    with override_settings(**changed):
        found = {finding.id: finding for finding in deployment.examine()}[f"settings.{of}"]
    assert before[found.id] == "fine"
    assert (found.state, bool(found.remedy)) == (state, True)
    assert said in found.detail


def test_a_redis_that_may_lose_orders_or_keeps_them_untaken_is_told(db: None, layout: Layout) -> None:
    with redis.session(layout, Server.STORE_REDIS) as store:
        try:
            store.config_set("maxmemory-policy", "allkeys-lru")
            store.rpush(settings.CELERY_TASK_DEFAULT_QUEUE, *["an order"] * 100)
            found = doctor()[1]
            assert (found["redis.policy"]["state"], found["redis.broker"]["state"]) == ("failure", "warning")
            assert "maxmemory-policy is allkeys-lru" in found["redis.policy"]["detail"]
            assert found["redis.broker"]["detail"].startswith("100 messages wait")
            store.execute_command(*found["redis.policy"]["commands"][0].split())  # type: ignore[no-untyped-call]
            assert store.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        finally:
            store.config_set("maxmemory-policy", "noeviction")
            store.delete(settings.CELERY_TASK_DEFAULT_QUEUE)


def test_passwords_that_another_field_key_sealed_are_told(db: None) -> None:
    tier = Tier.objects.create(slug="lab", name="Lab")
    Node.objects.create(tier=tier, name="it", kind="redis", address="redis://127.0.0.1:1", secret="gAAAAABm-of-another")
    found = doctor()[1]["trust.field_key"]
    assert (found["state"], bool(found["remedy"])) == ("failure", True)


def test_without_redis_it_goes_on(db: None, settings: Settings) -> None:
    settings.REDIS_URL = "redis://:s3cr3t@127.0.0.1:1"
    _status, found = doctor()
    assert found["redis.answers"]["state"] == "failure"
    assert found["store.login"]["state"] == "fine"
    assert "s3cr3t" not in json.dumps(found)


def test_a_store_of_history_that_answers_and_takes_nothing_is_no_good_store(
    db: None, settings: Settings, hook: Hook
) -> None:
    settings.HISTORY, settings.HISTORY_URL = "prometheus", f"http://127.0.0.1:{hook.port}"
    assert doctor()[1]["outgoing.history"]["state"] == "fine"
    Unsent.objects.create(at=timezone.now() - timedelta(minutes=5), samples=1, body=b"")
    Forwarding.objects.create(pk=1, message="404 remote write receiver is not enabled")
    found = doctor()[1]["outgoing.history"]
    assert found["state"] == "failure"
    assert "one poll waits to be taken. It said: 404" in found["detail"]
    assert "--web.enable-remote-write-receiver" in found["remedy"]


def test_a_channel_that_is_reached_and_takes_no_message_is_no_good_channel(
    db: None, hook: Hook, mailbox: Mailbox, lead: Person
) -> None:
    tier = Tier.objects.create(slug="lab", name="Lab")
    for kind, target in (("slack", hook.url), ("email", "ops@example.org")):
        Channel.objects.create(
            tier=tier, name=kind, kind=kind, target=seal(target), shown=kind, least="warn", made_by=lead
        )

    def told() -> dict[str, str]:
        return {
            one["title"]: f"{one['state']} {one['detail']}" for one in findings() if one["id"] == "outgoing.channel"
        }

    def send(status: int, said: str) -> None:
        for channel in Channel.objects.all():
            announce.test(channel, "lead")
        hook.answers, mailbox.refusing = [status], said
        assert outbox.deliver() == 2

    assert [told()["Channel slack"].partition(" ")[0], len(told())] == ["fine", 1]
    send(404, "550 unknown")
    assert set(told()) == {"Channel slack", "Channel email"}
    assert all(found.startswith("failure") and "was given up" in found for found in told().values())
    assert "It answered 404." in told()["Channel slack"]
    send(200, "")
    assert [told()["Channel slack"].partition(" ")[0], len(told())] == ["fine", 1]


def test_a_login_that_could_rewrite_the_ledger_is_told_with_the_line_that_cures_it(
    transactional_db: None, owner: Sql
) -> None:
    owner("GRANT UPDATE ON ledger_entry TO opsportal_app")
    found = doctor()[1]["store.login"]
    assert found["state"] == "failure"
    assert "update ledger_entry" in found["detail"]
    owner(found["commands"][0])
    assert doctor()[1]["store.login"]["state"] == "fine"


def test_with_the_store_down_it_says_so_and_goes_on(portal_environment: dict[str, str]) -> None:
    down = {"OPSPORTAL_DATABASE_URL": "postgresql://opsportal_app:s3cr3t@127.0.0.1:1/opsportal"}
    run = subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=settings.BASE_DIR,
        env=os.environ | portal_environment | down,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 2, run.stderr
    lines = run.stdout.splitlines()
    assert any(line.startswith("  ■ Answers") for line in lines)
    assert any(line.startswith("  ● Eviction") for line in lines)
    assert any(line.startswith("  ◌ Field key") for line in lines)
    assert any(line.startswith("  ◌ Channels") for line in lines)
    assert lines[-1].startswith("■ ")
    assert "s3cr3t" not in run.stdout + run.stderr
