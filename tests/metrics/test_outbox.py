"""What is told reaches real receivers: signed, at least once with the same id, in order, and never where it may not go."""

import hashlib
import hmac
import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.test import override_settings

from apps.accounts.models import Person
from apps.metrics import channels, outbox, webhook
from apps.metrics.alerting import Channel, Delivery, DeliveryState
from apps.metrics.announce import Change, Told, announce
from apps.metrics.models import Alert, Tier
from apps.metrics.registry import checks
from apps.metrics.secrets import seal
from tests.receivers import Hook, Mailbox, Received

SECRET = "a secret of the channel"
_ticks = count()


@pytest.fixture
def tier(db: None) -> Tier:
    return Tier.objects.create(slug="lab", name="Lab")


def channel(tier: Tier, by: Person, kind: str, target: str, **more: object) -> Channel:
    fields = {"name": kind, "least": "warn", "secret": seal(SECRET), **more}
    return Channel.objects.create(tier=tier, kind=kind, target=seal(target), shown="", made_by=by, **fields)


def alert(tier: Tier, state: str = "fail", of: str = "", **more: object) -> Alert:
    now = datetime.now(UTC)
    fields = {"check_id": "portal.missed_slots", "state": state, "value": 13, "object": of, **more}
    return Alert.objects.create(tier=tier, opened_at=now, updated_at=now, **fields)


def told(found: Alert, change: Change = Change.OPENED, node: str = "replica-1") -> Told:
    return Told.of(found, checks()[found.check_id], node, change)


def tell(tier: Tier, *changes: Told) -> None:
    announce(tier, datetime.now(UTC) + next(_ticks) * timedelta(microseconds=1), changes)


def later() -> datetime:
    """A moment at which everything is due."""
    return datetime.now(UTC) + timedelta(hours=2)


def test_a_signed_message_arrives_once_for_each_node_and_change(tier: Tier, lead: Person, hook: Hook) -> None:
    channel(tier, lead, "json", hook.url)
    tell(tier, told(alert(tier)), told(alert(tier, "warn", of="b")), told(alert(tier, of="c"), node="primary"))
    assert outbox.deliver() == 2
    assert outbox.deliver(later()) == 0
    first = next(r for r in hook.received if json.loads(r.body)["node"] == "replica-1")
    body = json.loads(first.body)
    assert [c["state"] for c in body["changes"]] == ["fail", "warn"]
    assert body["text"] == "Lab · replica-1: Polls missed fails, and 1 more"
    refuse_forged(first)
    assert first.headers["x-opsportal-delivery"] == body["id"] == first.headers["idempotency-key"]
    assert set(Delivery.objects.values_list("state", "status", "attempts")) == {("sent", 200, 1)}


def refuse_forged(found: Received) -> None:
    """As docs/operating.md tells a receiver to."""
    made = hmac.new(
        SECRET.encode(), found.headers["x-opsportal-timestamp"].encode() + b"." + found.body, hashlib.sha256
    )
    assert found.headers["x-opsportal-signature"] == f"v1={made.hexdigest()}"


def test_slack_gets_text_and_blocks_in_which_the_tier_calls_nobody(tier: Tier, lead: Person, hook: Hook) -> None:
    channel(tier, lead, "slack", hook.url)
    tell(tier, told(alert(tier, of="<!channel>|x")))
    outbox.deliver()
    body = json.loads(hook.received[0].body)
    assert body["text"] == "Lab · replica-1: Polls missed fails"
    assert "&lt;!channel&gt;" in body["blocks"][0]["text"]["text"]
    assert "<!channel>" not in hook.received[0].body.decode()
    refuse_forged(hook.received[0])


def test_a_mail_says_what_and_where_and_bears_the_delivery_id(tier: Tier, lead: Person, mailbox: Mailbox) -> None:
    channel(tier, lead, "email", "ops@example.org,dba@example.org")
    tell(tier, told(alert(tier, of="evil\r\nBcc: all@example.org")))
    assert outbox.deliver() == 1
    (mail,) = mailbox.mails
    delivery = Delivery.objects.get()
    assert mail["Subject"] == "Lab · replica-1: Polls missed fails"
    assert mail["Message-ID"] == f"<{delivery.pk}@example.org>"
    assert mail["Bcc"] is None
    assert "/alerts/" in mail.get_content()
    assert not [line for line in mail.get_content().splitlines() if line.startswith("Bcc")]
    assert delivery.state == DeliveryState.SENT


def test_a_mail_says_what_to_do_and_later_how_long_it_lasted(tier: Tier, lead: Person, mailbox: Mailbox) -> None:
    channel(tier, lead, "email", "ops@example.org")
    found = alert(tier, check_id="queries.lock_wait", value=221)
    Alert.objects.filter(pk=found.pk).update(opened_at=datetime.now(UTC) - timedelta(minutes=4, seconds=5))
    found.refresh_from_db()
    for change in (Change.OPENED, Change.RESOLVED):
        tell(tier, told(found, change))
        outbox.deliver(later())
    first, last = (mail.get_content().replace("\xa0", " ").splitlines()[0] for mail in mailbox.mails)
    assert first == "opened: Longest lock wait fails: 3 min 41 s (warns from 5 s · fails above 30 s); what to do: RB-8"
    assert last == "over: Longest lock wait, after 4 min 5 s; its last bad value was 3 min 41 s"


def test_a_mail_server_that_is_full_is_asked_again_and_one_that_refuses_is_not(
    tier: Tier, lead: Person, mailbox: Mailbox
) -> None:
    channel(tier, lead, "email", "ops@example.org")
    tell(tier, told(alert(tier)))
    mailbox.refusing = "452 full"
    outbox.deliver()
    assert Delivery.objects.get().state == DeliveryState.PENDING
    mailbox.refusing = "550 unknown"
    outbox.deliver(later())
    found = Delivery.objects.get()
    assert (found.state, found.status) == (DeliveryState.GIVEN_UP, 550)
    assert "ops@example.org" not in found.problem


def test_a_recipient_who_is_put_off_gets_the_mail_later_and_one_who_is_refused_stands_in_the_log(
    tier: Tier, lead: Person, mailbox: Mailbox
) -> None:
    """As of a server with greylisting, and of an address that is gone: it takes the mail for the others at once."""
    channel(tier, lead, "email", "ops@example.org,dba@example.org")
    tell(tier, told(alert(tier)))
    mailbox.refused = {"dba@example.org": "450 greylisted"}
    outbox.deliver()
    found = Delivery.objects.get()
    assert (found.state, found.status) == (DeliveryState.PENDING, 450)
    mailbox.refused = {"dba@example.org": "550 unknown"}
    outbox.deliver(later())
    found.refresh_from_db()
    assert (found.state, found.problem) == (DeliveryState.SENT, "1 of 2 recipients were refused.")
    assert {mail["Message-ID"] for mail in mailbox.mails} == {f"<{found.pk}@example.org>"}


def test_a_long_message_is_one_that_slack_takes_and_says_what_it_leaves_out(
    tier: Tier, lead: Person, hook: Hook
) -> None:
    Tier.objects.filter(pk=tier.pk).update(name="&" * 80)
    tier.refresh_from_db()
    channel(tier, lead, "slack", hook.url)
    tell(tier, *(told(alert(tier, of=f"{number}\n•{'<' * 190}"), node="n" * 60) for number in range(40)))
    outbox.deliver()
    text = json.loads(hook.received[0].body)["blocks"][0]["text"]["text"]
    assert len(text) <= 3000
    _first, *changes, last = text.split("\n")
    assert all(line.startswith("• <http") and line.endswith(">") for line in changes), "none is cut in its midst"
    assert last == f"and {40 - len(changes)} more"


def test_failures_are_tried_again_with_growing_pauses_and_the_same_id(tier: Tier, lead: Person, hook: Hook) -> None:
    channel(tier, lead, "json", hook.url)
    hook.answers = [503, 500]
    tell(tier, told(alert(tier)))
    waits = []
    for _ in range(2):
        outbox.deliver(later())
        waits.append((Delivery.objects.get().next_at - datetime.now(UTC)).total_seconds())
    outbox.deliver(later())
    found = Delivery.objects.get()
    assert 3 < waits[0] <= 5
    assert 12 < waits[1] <= 15
    assert (found.state, found.attempts) == (DeliveryState.SENT, 3)
    assert len({r.headers["idempotency-key"] for r in hook.received}) == 1
    assert [r.headers["x-opsportal-attempt"] for r in hook.received] == ["1", "2", "3"]


def test_it_waits_as_long_as_the_receiver_asks(tier: Tier, lead: Person, hook: Hook) -> None:
    channel(tier, lead, "json", hook.url)
    hook.answers, hook.more = [429], {"Retry-After": "120"}
    tell(tier, told(alert(tier)))
    outbox.deliver()
    assert Delivery.objects.get().next_at > datetime.now(UTC) + timedelta(seconds=100)


def test_what_never_arrives_is_given_up_and_says_so(tier: Tier, lead: Person, hook: Hook) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{free.getsockname()[1]}"
    channel(tier, lead, "json", f"http://{closed}/hook/key-of-the-channel")
    tell(tier, told(alert(tier)))
    with override_settings(WEBHOOK_HOSTS=[closed]):
        tries = [outbox.deliver(later()) for _ in range(len(outbox.PAUSES) + 2)]
    assert tries == [1] * (len(outbox.PAUSES) + 1) + [0]
    found = Delivery.objects.get()
    assert found.state == DeliveryState.GIVEN_UP
    assert found.problem
    assert "key-of-the-channel" not in found.problem


@pytest.mark.parametrize(("status", "states"), [(404, "given up"), (302, "given up"), (200, "sent")])
def test_a_lasting_refusal_or_a_redirect_is_not_asked_again(
    tier: Tier, lead: Person, hook: Hook, status: int, states: str
) -> None:
    channel(tier, lead, "json", hook.url)
    hook.answers, hook.more = [status], {"Location": "http://127.0.0.1:1/elsewhere"}
    tell(tier, told(alert(tier)))
    outbox.deliver()
    assert (Delivery.objects.get().state, len(hook.received)) == (states, 1)


def test_the_end_is_never_told_before_the_beginning(tier: Tier, lead: Person, hook: Hook) -> None:
    channel(tier, lead, "json", hook.url)
    found = alert(tier)
    tell(tier, told(found))
    hook.answers = [500]
    outbox.deliver()
    tell(tier, told(found, Change.RESOLVED))
    tell(tier, told(alert(tier, of="other"), node="primary"))
    outbox.deliver(
        datetime.now(UTC) + timedelta(seconds=1)
    )  # the first one still pauses; another node's message goes out
    outbox.deliver(later())
    outbox.deliver(later())
    assert [json.loads(r.body)["changes"][0]["change"] for r in hook.received] == [
        "opened",
        "opened",
        "opened",
        "resolved",
    ]
    assert [json.loads(r.body)["node"] for r in hook.received] == ["replica-1", "primary", "replica-1", "replica-1"]


def test_a_sender_that_died_loses_nothing_and_the_log_shows_both_attempts(tier: Tier, lead: Person, hook: Hook) -> None:
    channel(tier, lead, "json", hook.url)
    tell(tier, told(alert(tier)))
    claimed = outbox._claim(datetime.now(UTC))
    assert claimed is not None
    channels.send(claimed)  # it arrived, and the sender died before it could say so
    assert outbox.deliver() == 0, "another sender does not take it while the lease runs"
    assert outbox.deliver(datetime.now(UTC) + outbox.LEASE + timedelta(seconds=1)) == 1
    found = Delivery.objects.get()
    assert (found.state, found.attempts) == (DeliveryState.SENT, 2)
    assert len({r.headers["x-opsportal-delivery"] for r in hook.received}) == 1


def test_channels_are_told_what_they_want(tier: Tier, lead: Person) -> None:
    channel(
        tier, lead, "json", "https://a.example/", name="critical", least="fail", tells_silence=False, tells_end=False
    )
    channel(tier, lead, "slack", "https://b.example/", name="all")
    channel(tier, lead, "json", "https://c.example/", name="gone", removed_at=datetime.now(UTC))
    silent = alert(tier, "no_data", kind="no_data", of="s")
    tell(tier, told(alert(tier, "warn"), node="a"), told(silent, node="b"), told(alert(tier, of="x"), node="c"))
    tell(tier, told(alert(tier, of="y"), Change.RESOLVED, node="d"))
    got = set(Delivery.objects.values_list("channel__name", "group"))
    assert got == {("critical", "c"), *(("all", node) for node in "abcd")}


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/", "ftp://example.org/", "https:///x", "https://a:b@example.org/", "https://example.org:99999/",
        "https://exa mple.org/", "https://[::1/", "file:///etc/passwd", "https://example.org\\@127.0.0.1/", "//example.org/",
    ],
)  # fmt: skip
def test_an_address_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(webhook.Forbidden):
        webhook.allowed(url)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "192.168.1.1", "[fd00::1]", "0.0.0.0",  # noqa: S104
        "2130706433",
     "0x7f.1", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "100.64.0.1", "224.0.0.1",
     "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[fec0::1]", "[64:ff9b:1::7f00:1]"],
)  # fmt: skip
def test_an_inner_address_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(webhook.Forbidden, match="inside your network"):
        webhook.resolve(webhook.allowed(f"https://{host}/"))


def test_a_name_with_one_inner_address_among_others_is_refused() -> None:
    webhook.refuse_inner("example.org", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
    for addresses in (["93.184.215.14", "10.0.0.1"], ["fd00::1", "93.184.215.14"]):
        with pytest.raises(webhook.Forbidden, match=r"example\.org stands for an address inside"):
            webhook.refuse_inner("example.org", addresses)


def test_a_name_that_stands_for_an_inner_address_by_now_is_not_posted_to(tier: Tier, lead: Person, hook: Hook) -> None:
    """It was another's when the channel was added; every delivery looks anew."""
    channel(tier, lead, "json", f"https://localhost:{hook.port}/hook/key-of-the-channel")
    tell(tier, told(alert(tier)))
    with override_settings(WEBHOOK_HOSTS=[]):
        assert outbox.deliver() == 1
    found = Delivery.objects.get()
    assert (found.state, hook.received) == (DeliveryState.GIVEN_UP, [])
    assert "localhost stands for an address inside your network" in found.problem


def test_what_was_looked_at_is_what_is_connected_to(hook: Hook) -> None:
    parts = urlsplit(f"http://this-name-has-no-address.invalid:{hook.port}/hook?a=1")
    answer = webhook.post(parts, "127.0.0.1", b"{}", {})
    assert answer.status == 200
    assert hook.received[0].headers["host"] == parts.netloc
    assert hook.received[0].path == "/hook?a=1"
    foreign = urlsplit(f"http://exämple.org:{hook.port}/hök")
    assert webhook.post(foreign, "127.0.0.1", b"{}", {}).status == 200
    assert hook.received[1].headers["host"] == f"xn--exmple-cua.org:{hook.port}"


AWAY = """
import django, sys, time
django.setup()
from apps.metrics.channel_views import _send_now
began = time.monotonic()
_send_now()
print(time.monotonic() - began)
"""


@pytest.mark.parametrize("place", ["127.0.0.1:1", "192.0.2.1:6379"], ids=["refuses", "is silent"])
def test_a_queue_that_is_away_does_not_hold_up_whoever_asks_for_a_test(
    portal_environment: dict[str, str], place: str
) -> None:
    variables = {"OPSPORTAL_REDIS_URL": f"redis://{place}", "DJANGO_SETTINGS_MODULE": "opsportal.settings"}
    done = subprocess.run(
        [sys.executable, "-c", AWAY],
        env=os.environ | portal_environment | variables | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert float(done.stdout) < 5
    assert "delivery not ordered" in done.stderr


def test_a_slow_receiver_and_an_endless_answer_are_left(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = urlsplit(hook.url)
    hook.big = 20 * webhook.MOST
    assert webhook.post(parts, "127.0.0.1", b"{}", {}).status == 200
    hook.slow = 1
    monkeypatch.setattr(webhook, "WHOLE", 0.3)
    with pytest.raises((TimeoutError, OSError, Exception)) as raised:
        webhook.post(parts, "127.0.0.1", b"{}", {})
    assert "timeout" in type(raised.value).__name__.lower()


def test_a_channel_sealed_with_another_key_says_so_and_stops_nobody(tier: Tier, lead: Person, hook: Hook) -> None:
    broken = channel(tier, lead, "json", hook.url, name="broken")
    Channel.objects.filter(pk=broken.pk).update(target="gAAAAABm-of-another-key")
    channel(tier, lead, "slack", hook.url)
    tell(tier, told(alert(tier)))
    assert outbox.deliver() == 2
    assert "OPSPORTAL_FIELD_KEY is not the key" in Delivery.objects.get(channel=broken).problem
    assert len(hook.received) == 1
