"""Channels learn that the portal went silent although no worker lives, once however many look, and that it is back."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from pytest_django import Settings
from structlog.testing import capture_logs

from apps.accounts.models import Person
from apps.lab.layout import Layout, free_ports
from apps.metrics import watchman
from apps.metrics.alerting import Channel, Delivery, DeliveryState
from apps.metrics.checks import SILENT_AFTER
from apps.metrics.inward_checks import CHECKS, SILENCE
from apps.metrics.models import Alert, Mute, Node, NodeStatus, Tier
from apps.metrics.secrets import seal
from tests.conftest import Until
from tests.receivers import Hook, Mailbox

ROOT = Path(__file__).parents[2]
CELERY = ("-m", "celery", "-A", "opsportal")
HELD = next(check.hold for check in CHECKS if check.id == SILENCE) + timedelta(seconds=SILENT_AFTER)
LEAST = timedelta(seconds=1)


@pytest.fixture
def tier(stored: None, layout: Layout) -> Tier:
    """A tier with one real node, watched for an hour."""
    made = Tier.objects.create(slug="lab", name="Lab")
    url = layout.environment()["OPSPORTAL_REDIS_URL"]
    node = Node.objects.create(tier=made, name="it", kind="redis", address=url)
    Node.objects.filter(pk=node.pk).update(created_at=datetime.now(UTC) - timedelta(hours=1))
    return made


def channel(tier: Tier, by: Person, kind: str, target: str) -> Channel:
    return Channel.objects.create(
        tier=tier, name=kind, kind=kind, least="warn", target=seal(target), secret=seal("s"), shown="", made_by=by
    )


def polled(tier: Tier, ago: timedelta) -> None:
    at = datetime.now(UTC) - ago
    told = {"slot": at, "up": True, "since": at, "duration_seconds": 0.01}
    NodeStatus.objects.update_or_create(node=tier.nodes.get(), defaults=told)


def test_a_silence_is_told_once_with_its_cause_by_every_kind_of_channel(
    tier: Tier, lead: Person, hook: Hook, mailbox: Mailbox
) -> None:
    channel(tier, lead, "json", hook.url)
    channel(tier, lead, "email", "ops@example.org")
    polled(tier, HELD - LEAST)
    assert watchman.watch() == 0, "not before it has lasted"
    polled(tier, HELD + LEAST)
    assert [watchman.watch() for _ in range(3)] == [1, 0, 0]
    (received,) = hook.received
    (change,) = json.loads(received.body)["changes"]
    assert (change["change"], change["state"], change["check"]) == ("opened", "fail", SILENCE)
    assert change["object"] == "the worker is silent"
    (mail,) = mailbox.mails
    assert "Time since the last poll (the worker is silent) fails" in mail.get_content()
    assert Alert.objects.get().closed_at is None


def test_a_clock_that_was_set_back_is_told_though_the_last_poll_looks_young(
    tier: Tier, lead: Person, hook: Hook
) -> None:
    channel(tier, lead, "json", hook.url)
    polled(tier, timedelta(minutes=-5))
    assert [watchman.watch() for _ in range(2)] == [1, 0]
    (received,) = hook.received
    (change,) = json.loads(received.body)["changes"]
    assert (change["check"], change["object"]) == (SILENCE, "the clock was set back")


def test_a_mute_keeps_it_quiet_and_it_is_recorded_all_the_same(tier: Tier, lead: Person, hook: Hook) -> None:
    channel(tier, lead, "json", hook.url)
    now = datetime.now(UTC)
    Mute.objects.create(tier=tier, starts_at=now - LEAST, ends_at=now + timedelta(hours=1), reason="moving", by=lead)
    assert watchman.watch() == 1
    assert Alert.objects.get().quiet
    assert not hook.received


def test_what_waits_in_the_outbox_goes_out_while_nobody_else_sends(tier: Tier, lead: Person, hook: Hook) -> None:
    told = channel(tier, lead, "json", hook.url)
    hook.answers = [500]
    watchman.watch()
    assert Delivery.objects.get().state == DeliveryState.PENDING
    watchman.watch(datetime.now(UTC))
    Delivery.objects.filter(channel=told).update(next_at=datetime.now(UTC) - LEAST)
    watchman.watch()
    assert Delivery.objects.get().state == DeliveryState.SENT


def test_whatever_goes_wrong_is_told_and_it_looks_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.POLL_SECONDS = 0.01
    looks, again = iter((KeyError("portal.silence"), None)), Event()

    def look() -> None:
        if (wrong := next(looks, None)) is not None:
            raise wrong
        again.set()

    monkeypatch.setattr(watchman, "watch", look)
    with capture_logs() as lines:
        watching = watchman.Watchman()
        assert again.wait(10)
        watching.end()
    assert [(line["event"], line["log_level"]) for line in lines] == [("watchman.stuck", "error")]


Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(portal_environment: dict[str, str], hook: Hook, tmp_path: Path) -> Iterator[Start]:
    """Starts programs of the portal that poll every two seconds; ends them all."""
    children: list[subprocess.Popen[bytes]] = []
    environ = os.environ | portal_environment
    environ |= {"OPSPORTAL_POLL_SECONDS": "2", "OPSPORTAL_WEBHOOK_HOSTS": f"127.0.0.1:{hook.port}"}

    def begin(*words: str) -> subprocess.Popen[bytes]:
        with (tmp_path / f"{len(children)}").open("wb") as said:
            children.append(subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environ, stdout=said, stderr=said))
        return children[-1]

    yield begin
    for child in children:
        child.terminate()
    for child in children:
        child.wait(20)


def test_web_and_beat_tell_of_a_dead_worker_and_the_worker_that_it_is_back(
    transactional_db: None, tier: Tier, lead: Person, hook: Hook, start: Start, tmp_path: Path, until: Until
) -> None:
    channel(tier, lead, "json", hook.url)
    (port,) = free_ports(1)
    start("-m", "gunicorn", "opsportal.wsgi:application", "--bind", f"127.0.0.1:{port}")
    start(*CELERY, "beat", "--schedule", str(tmp_path / "schedule"), "--pidfile=")

    def said() -> list[str]:
        return [change["change"] for one in hook.received for change in json.loads(one.body)["changes"]]

    until(said, 30)
    start(*CELERY, "worker", "-P", "threads", "-c", "2", "--without-gossip", "--without-mingle")
    until(lambda: len(said()) > 1, 40)
    assert said() == ["opened", "resolved"], "once each, though two processes look"
    assert Alert.objects.get(check_id=SILENCE).closed_by == "passed"
