"""Muting, thresholds, channels and history on their pages: who may, what is refused with which words, what is never shown."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.db import connection
from django.utils import timezone

from apps.accounts.models import Person
from apps.accounts.roles import Role
from apps.ledger.models import Entry
from apps.metrics import occasions, outbox, thresholds
from apps.metrics.alerting import Channel, Delivery, Mute, Threshold
from apps.metrics.models import Alert, Node, Tier
from apps.metrics.registry import checks
from tests.people import Browser, MakePerson
from tests.receivers import Hook

CHECK = "queries.p95"
MUTES, CHANNELS, ONE = "/t/lab/mutes/", "/t/lab/channels/", f"/t/lab/checks/{CHECK}/"
SECRET = "sixteen letters or more"
HOUR = timedelta(hours=1)


@pytest.fixture
def tier(db: None) -> Tier:
    """A tier with one node that nobody polls."""
    found = Tier.objects.create(slug="lab", name="Lab")
    Node.objects.create(tier=found, name="primary", kind="postgres", role="primary", address="postgresql://x@h/d")
    return found


def alert(tier: Tier, **more: object) -> Alert:
    now = timezone.now()
    fields = {"check_id": CHECK, "state": "fail", "value": 1200, "opened_at": now, "updated_at": now, **more}
    return Alert.objects.create(tier=tier, **fields)


def window(**more: str) -> dict[str, str]:
    end = timezone.localtime() + timedelta(hours=2)
    return {"ends_at": f"{end:%Y-%m-%dT%H:%M}", "reason": "upgrade of the primary", **more}


def limits(**more: str) -> dict[str, str]:
    return {"warn": "300 ms", "fail": "2 s", "reason": "batch night", **more}


def hooked(hook: Hook, **more: str) -> dict[str, str]:
    fields = {"name": "pager", "kind": "json", "target": hook.url, "secret": SECRET, "least": "warn", "tells_end": "on"}
    return fields | more


MAY = {
    f"{MUTES}begin/": {Role.ON_CALL, Role.BACKEND, Role.DEVOPS, Role.DBA, Role.LEAD, Role.CTO},
    f"{ONE}change/": {Role.DEVOPS, Role.DBA, Role.LEAD, Role.CTO},
    f"{CHANNELS}add/": {Role.DEVOPS, Role.DBA, Role.LEAD, Role.CTO},
}


@pytest.mark.parametrize("url", MAY)
def test_only_the_roles_concerned_may_and_others_see_no_form(
    tier: Tier, cast: dict[Role, Person], browser: Browser, stranger: Person, url: str
) -> None:
    page = f"{url.rstrip('/').rpartition('/')[0]}/"
    for role, person in cast.items():
        client, may = browser(person), role in MAY[url]
        assert client.post(url, {}).status_code == (422 if may else 403), role
        assert (f'action="{url}"' in client.get(page).content.decode()) is may, role
    assert browser(stranger).post(url, {}).status_code == 404
    assert not any(model.objects.exists() for model in (Mute, Threshold, Channel, Entry))


def test_muting_a_node_makes_its_open_alerts_quiet_at_once_and_says_so(
    tier: Tier, on_call: Person, browser: Browser
) -> None:
    node, client = Node.objects.get(), browser(on_call)
    mine, other = alert(tier, node=node), alert(tier)
    assert client.post(f"{MUTES}begin/", window(node="primary")).status_code == 302
    mine.refresh_from_db()
    other.refresh_from_db()
    assert (mine.quiet, other.quiet) == (True, False)
    page = client.get("/alerts/").content.decode()
    assert "One alert is open" in page
    assert "muted by On Call: upgrade of the primary" in page
    assert '<span class="count">1<' in page
    client.post(f"{MUTES}{Mute.objects.get().pk}/end/")
    mine.refresh_from_db()
    assert not mine.quiet
    assert Mute.objects.get().ended_by == on_call


def test_a_window_needs_no_more_than_a_length_and_a_reason(tier: Tier, on_call: Person, browser: Browser) -> None:
    client = browser(on_call)
    assert '<option value="1h" selected>1 hour</option>' in client.get(MUTES).content.decode()
    before = timezone.now()
    assert client.post(f"{MUTES}begin/", {"lasts": "1h", "reason": "vacuum full"}).status_code == 302
    made = Mute.objects.get()
    assert made.ends_at - made.starts_at == timedelta(hours=1)
    assert before <= made.starts_at <= timezone.now()
    assert client.post(f"{MUTES}begin/", window(lasts="24h")).status_code == 302
    assert Mute.objects.latest("id").ends_at < before + timedelta(hours=3), "a typed end stands over a length"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"reason": " "}, "required"),
        ({"ends_at": "2020-01-01T00:00"}, "not in the past"),
        ({"ends_at": "2199-01-01T00:00"}, "14 days at most"),
        ({"ends_at": "tomorrow"}, "valid date"),
        ({"ends_at": "9999-12-31T23:59:59-12:00"}, "valid date"),
        ({"ends_at": ""}, "Say when it ends."),
        ({"ends_at": "", "lasts": "24h", "starts_at": "9999-12-31T23:59:59"}, "within a year"),
        ({"node": "elsewhere"}, "valid choice"),
        ({"check_id": "no.such"}, "valid choice"),
        ({"reason": "nul\x00"}, "Null characters"),
    ],
)
def test_a_window_that_cannot_be_is_refused(
    tier: Tier, dba: Person, browser: Browser, typed: dict[str, str], told: str
) -> None:
    answer = browser(dba).post(f"{MUTES}begin/", window(**typed))
    assert answer.status_code == 422
    assert told in answer.content.decode()
    assert not Mute.objects.exists()


def test_a_threshold_is_typed_with_its_unit_shown_with_its_reason_and_reverted(
    tier: Tier, dba: Person, viewer: Person, browser: Browser
) -> None:
    client = browser(dba)
    assert client.post(f"{ONE}change/", limits()).status_code == 302
    made = Threshold.objects.get()
    assert (made.warn, made.fail) == (300, 2000)
    for page in (ONE, "/catalogue/checks/"):
        shown = browser(viewer).get(page).content.decode().replace("\xa0", " ")
        assert "warns from 300 ms" in shown
        assert "by Dba" in shown
        assert "batch night" in shown
        assert "default warns from 500 ms" in shown
    assert client.post(f"{ONE}change/", limits(fail="3 s")).status_code == 302
    current = Threshold.objects.get(ended_at=None)
    assert client.post(f"{ONE}{made.pk}/revert/").status_code == 302
    assert Threshold.objects.filter(ended_at=None).get() == current, "an old one is not reverted again"
    client.post(f"{ONE}{current.pk}/revert/")
    assert not Threshold.objects.filter(ended_at=None).exists()
    assert "batch night" not in client.get("/catalogue/checks/").content.decode()
    assert [e.kind for e in Entry.objects.order_by("seq")] == ["threshold.set", "threshold.set", "threshold.revert"]


def test_a_nodes_threshold_stands_over_its_tiers_and_falls_back_to_it(
    tier: Tier, dba: Person, browser: Browser
) -> None:
    check = next(c.id for c in checks().values() if c.kind == "postgres" and c.warn == 0.8 and c.fail)
    url, client = f"/t/lab/checks/{check}/", browser(dba)
    client.post(f"{url}change/", limits(warn="50 %", fail="60 %"))
    client.post(f"{url}change/", limits(warn="70 %", fail="75 %", node="primary"))
    shown = client.get(url).content.decode()
    assert "Revert to what is set on Lab" in shown
    assert "Revert to the default" in shown
    one = Threshold.objects.get(node__name="primary")
    answer = client.post(f"{url}{one.pk}/revert/", follow=True).content.decode()
    assert "What is set on the tier counts" in answer
    said = [json.loads(bytes(e.body)) for e in Entry.objects.filter(kind__startswith="threshold.").order_by("seq")]
    assert [e["was"] for e in said[1:]] == [e["now"] for e in said[:-1]], "each tells what counted there before"
    assert said[-1]["now"] == said[0]["now"]


def test_a_removed_nodes_thresholds_do_not_count_for_another_of_its_name(
    tier: Tier, dba: Person, browser: Browser
) -> None:
    check = next(c.id for c in checks().values() if c.kind == "postgres" and c.warn == 0.8 and c.fail)
    url, client = f"/t/lab/checks/{check}/", browser(dba)
    client.post(f"{url}change/", limits(warn="20 %", fail="30 %", reason="the small one", node="primary"))
    client.post("/t/lab/nodes/primary/remove/", {"typed": "primary"})
    again = Node.objects.create(
        tier=tier, name="primary", kind="postgres", role="primary", address="postgresql://x@h/d"
    )
    assert thresholds.limits(tier).of(check, again.name) == checks()[check]
    shown = client.get(url).content.decode()
    assert "Set on primary" not in shown
    assert "the small one" in shown, "who set it and why stays"
    assert "the node was removed" in shown
    client.post(f"{url}change/", limits(warn="70 %", fail="75 %", node="primary"))
    Threshold.objects.filter(reason="the small one").update(
        ended_at=None
    )  # as a node left it that was removed before they ended with it
    counting = thresholds.limits(tier).of(check, again.name)
    assert counting is not None
    assert counting.fail == 0.75


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"warn": "3 s"}, "before it warns"),
        ({"warn": "nan"}, "not understood"),
        ({"warn": "1e999"}, "not understood"),
        ({"warn": "9" * 40, "fail": "9" * 39}, "before it warns"),
        ({"warn": "5 GB"}, "not understood"),
        ({"warn": "", "fail": ""}, "at least one"),
        ({"reason": ""}, "required"),
        ({"node": "elsewhere"}, "valid choice"),
    ],
)
def test_thresholds_that_make_no_sense_are_refused(
    tier: Tier, dba: Person, browser: Browser, typed: dict[str, str], told: str
) -> None:
    answer = browser(dba).post(f"{ONE}change/", limits(**typed))
    assert answer.status_code == 422
    assert told in answer.content.decode()
    assert not Threshold.objects.exists()


def test_of_several_who_set_a_threshold_at_once_each_does_after_the_other(
    transactional_db: None, dba: Person, browser: Browser
) -> None:
    Tier.objects.create(slug="lab", name="Lab")
    together, clients = Barrier(4), [browser(dba) for _ in range(4)]

    def change(number: int) -> int:
        try:
            together.wait(20)
            return clients[number].post(f"{ONE}change/", limits(fail=f"{number + 2} s")).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(change, range(4))) == [302] * 4
    assert Threshold.objects.filter(ended_at=None).count() == 1
    said = [json.loads(bytes(e.body)) for e in Entry.objects.filter(kind="threshold.set").order_by("seq")]
    assert [e["was"] for e in said[1:]] == [e["now"] for e in said[:-1]], "each tells what it found"


@pytest.mark.parametrize("zone", ["+23:59", "-23:59"])
def test_a_window_may_be_given_in_any_zone(tier: Tier, dba: Person, browser: Browser, zone: str) -> None:
    """PostgreSQL knows none that is 16 hours away."""
    end = timezone.now() + timedelta(days=2)
    typed = window(ends_at=f"{end:%Y-%m-%dT%H:%M}:00{zone}")
    assert browser(dba).post(f"{MUTES}begin/", typed).status_code == 302
    assert Mute.objects.get().ends_at - end.replace(second=0, microsecond=0) == timedelta(
        minutes=-1439 * int(f"{zone[0]}1")
    )


def test_the_direction_of_a_check_decides_which_threshold_comes_first(
    tier: Tier, dba: Person, browser: Browser
) -> None:
    low = next(
        c for c in checks().values() if c.id == "cache.hit_ratio" or (c.direction == "low" and c.warn and c.fail)
    )
    url = f"/t/lab/checks/{low.id}/change/"
    assert browser(dba).post(url, limits(warn="10 %", fail="40 %")).status_code == 422
    assert browser(dba).post(url, limits(warn="40 %", fail="10 %")).status_code == 302


def test_an_address_and_a_secret_are_never_shown_again(
    tier: Tier, devops: Person, browser: Browser, hook: Hook
) -> None:
    client = browser(devops)
    assert client.post(f"{CHANNELS}add/", hooked(hook)).status_code == 302
    channel = Channel.objects.get()
    assert "key-of-the-channel" not in channel.target
    client.post(f"{CHANNELS}{channel.pk}/test/")
    hook.answers = [500]
    outbox.deliver()
    page, entry = client.get(CHANNELS).content.decode(), bytes(Entry.objects.get(kind="channel.add").body).decode()
    for text in (page, entry):
        assert f"127.0.0.1:{hook.port}" in text
        assert "key-of-the-channel" not in text
        assert SECRET not in text
    assert "It answered 500." in page
    assert "Test of the channel pager, asked for by devops" in hook.received[0].body.decode()
    client.post(f"{CHANNELS}{channel.pk}/remove/")
    channel.refresh_from_db()
    assert (channel.target, channel.secret) == ("", "")
    assert Delivery.objects.get().state == "given up"


def test_removing_a_channel_asks_first_and_says_what_is_lost(
    tier: Tier, devops: Person, viewer: Person, browser: Browser, hook: Hook
) -> None:
    client = browser(devops)
    for name in ("pager", "night <b>shift</b>"):
        client.post(f"{CHANNELS}add/", hooked(hook, name=name))
    channel, other = Channel.objects.order_by("pk")
    client.post(f"{CHANNELS}{channel.pk}/test/")
    page = client.get(CHANNELS).content.decode()
    assert f'action="{CHANNELS}{channel.pk}/remove/"' not in page, "one press does not destroy anything"
    ask = f"{CHANNELS}{channel.pk}/removing/"
    assert ask in page
    asked = client.get(ask).content.decode()
    assert "Its address and its signing secret are destroyed" in asked
    assert "One message that waits to be sent is given up" in asked
    assert "the last channel" not in asked
    assert f'action="{CHANNELS}{channel.pk}/remove/"' in asked
    channel.refresh_from_db()
    assert channel.target, "asking changes nothing"
    client.post(f"{CHANNELS}{channel.pk}/remove/")
    assert client.get(ask).status_code == 404
    asked = client.get(f"{CHANNELS}{other.pk}/removing/").content.decode()
    assert "It is the last channel: nobody will be told of Lab’s alerts." in asked
    assert "waits to be sent" not in asked
    assert "<b>shift" not in asked
    assert browser(viewer).get(f"{CHANNELS}{other.pk}/removing/").status_code == 403


def test_a_secret_is_asked_for_only_where_something_is_signed(
    tier: Tier, devops: Person, browser: Browser, hook: Hook
) -> None:
    client = browser(devops)
    for query, kind, secret in (("", "email", False), ("?kind=slack", "slack", True), ("?kind=json", "json", True)):
        page = client.get(f"{CHANNELS}{query}").content.decode()
        assert f'name="kind" value="{kind}"' in page
        assert ('name="secret"' in page) is secret
        assert "?kind=slack#add" in page, "another kind is chosen by a link"
    assert client.get(f"{CHANNELS}?kind=pigeon").status_code == 200
    mail = {"kind": "email", "name": "mail", "target": "a@example.org, b@example.org", "least": "warn"}
    assert client.post(f"{CHANNELS}add/", mail | {"secret": SECRET}).status_code == 302
    assert Channel.objects.get().secret == "", "a mail bears no signature, so there is nothing to keep"
    refused = client.post(f"{CHANNELS}add/", mail).content.decode()
    assert "already has a channel named mail" in refused
    assert 'name="secret"' not in refused


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ({"kind": "email", "target": " , ,"}, "at least one address"),
        ({"target": "https://127.0.0.1/x"}, "inside your network"),
        ({"target": "http://169.254.169.254/latest"}, "starts with https"),
        ({"target": "https://user:pw@example.org/"}, "login and password"),
        ({"target": "https://no-such-name.invalid/"}, "no host of this name"),
        ({"secret": ""}, "cannot tell who wrote"),
        ({"secret": "short"}, "at least 16"),
        ({"kind": "email", "target": "ann@example.org, not an address"}, "valid email"),
        ({"kind": "email", "target": "a@example.org\r\nBcc: b@example.org"}, "valid email"),
        ({"kind": "pigeon"}, "valid choice"),
    ],
)
def test_a_channel_that_may_not_be_is_refused_and_nothing_typed_comes_back(
    tier: Tier, lead: Person, browser: Browser, hook: Hook, typed: dict[str, str], told: str
) -> None:
    answer = browser(lead).post(f"{CHANNELS}add/", hooked(hook, **typed))
    assert answer.status_code == 422
    assert told in answer.content.decode()
    assert SECRET not in answer.content.decode()
    assert not Channel.objects.exists()


def test_the_history_says_how_long_who_why_and_what_came_before(
    tier: Tier, dba: Person, viewer: Person, browser: Browser
) -> None:
    start, deployed = timezone.now() - timedelta(hours=3), timezone.now() - timedelta(hours=3, minutes=10)
    window = Mute.objects.create(tier=tier, starts_at=start, ends_at=start + HOUR, reason="index is built", by=dba)
    alert(
        tier, opened_at=start, closed_at=start + timedelta(minutes=20), closed_by="passed", acknowledged_at=start,
        acknowledged_by=dba, note="index was missing", node=Node.objects.get(), cause=Node.objects.get(), mute=window, flapping=True,
    )  # fmt: skip
    alert(tier, kind="no_data", state="no_data", check_id="queries.up" if "queries.up" in checks() else "node.up")
    alert(tier, opened_at=start - timedelta(days=20), check_id="node.clock_offset")
    occasions.declare("of this test", lambda _tier, _start, _end: [occasions.Occasion(deployed, "release 41", "/x/")])
    try:
        page = browser(viewer).get("/alerts/history/").content.decode().replace("\xa0", " ")
    finally:
        occasions.declare("of this test", lambda _tier, _start, _end: [])
    for text in (
        "2 alerts in the last 7 days",
        "primary was down",
        "muted by Dba: index is built",
        "flapping",
        "20 min",
        "Dba",
        "index was missing",
        "the check passed",
        "release 41",
        "no data",
    ):
        assert text in page
    one = browser(viewer).get(f"/alerts/{Alert.objects.get(cause__name='primary').pk}/").content.decode()
    for text in ("primary is down; nobody is called for this one", "Dba: index is built", "index was missing"):
        assert text in one
    for query, count in (("node=primary", 1), ("state=no_data", 1), ("period=30d", 3), ("check_id=nothing", 0)):
        assert browser(viewer).get(f"/alerts/history/?{query}").content.decode().count("<tr>") - bool(count) == count
    assert browser(viewer).get("/alerts/history/?state=nonsense&before=x").status_code == 400


def test_the_first_sentence_says_how_bad_it_is_and_what_nobody_has_taken(
    tier: Tier, on_call: Person, browser: Browser
) -> None:
    node, client = Node.objects.get(), browser(on_call)
    first = alert(tier, node=node)
    assert "One alert is open: 1 fails; nobody has taken any" in client.get("/alerts/").content.decode()
    alert(tier, object="b", state="warn")
    alert(tier, object="c", state="no_data", kind="no_data")
    client.post(f"/alerts/{first.pk}/acknowledge/", {"note": "on it"})
    told = "3 alerts are open: 1 fails, 1 warns, 1 has no data; nobody has taken 2 of them"
    assert told in client.get("/alerts/").content.decode()
    Alert.objects.exclude(pk=first.pk).delete()
    assert "One alert is open: 1 fails; somebody has taken each of them" in client.get("/alerts/").content.decode()


def test_all_alerts_of_a_node_are_taken_with_one_note(tier: Tier, on_call: Person, browser: Browser) -> None:
    node = Node.objects.get()
    first, second, other = alert(tier, node=node), alert(tier, node=node, object="b"), alert(tier)
    client = browser(on_call)
    assert "take the other open alert of primary too" in client.get(f"/alerts/{first.pk}/").content.decode()
    client.post(f"/alerts/{first.pk}/acknowledge/", {"note": "on it", "others": "yes"})
    for one, by in ((first, on_call), (second, on_call), (other, None)):
        one.refresh_from_db()
        assert one.acknowledged_by == by
    assert Entry.objects.filter(kind="alert.acknowledge").count() == 2


def test_another_tiers_windows_thresholds_and_channels_do_not_exist(
    tier: Tier, person: MakePerson, browser: Browser
) -> None:
    elsewhere = browser(person("eve", list(Role), tier_slug="staging"))
    for url in (MUTES, CHANNELS, ONE, f"{MUTES}begin/", f"{ONE}change/", f"{CHANNELS}add/"):
        assert elsewhere.get(url).status_code == 404
        assert elsewhere.post(url, {}).status_code == 404
