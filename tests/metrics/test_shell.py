"""What stands around a page's live part is drawn once, and still says to everybody what is theirs."""

import re

from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.accounts.models import Person
from apps.metrics.kept import SHELLS
from apps.metrics.models import Alert, Tier
from tests.metrics.test_pages import PAGE, text, tier, viewing  # noqa: F401  fixtures
from tests.people import Browser

TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w{64})"')


def open_alert(tier: Tier) -> Alert:  # noqa: F811
    """An alert that was opened just now."""
    now = timezone.now()
    return Alert.objects.create(
        tier=tier, check_id="pools.waiting", object="made", state="warn", opened_at=now, updated_at=now
    )


def drawn() -> int:
    return len(SHELLS.things)


def test_the_second_view_is_made_of_the_same_pieces_and_says_the_same(viewing: Client) -> None:  # noqa: F811
    first, before = text(viewing, PAGE), drawn()
    second = text(viewing, PAGE)
    assert drawn() == before

    def without_own(page: str) -> str:
        return re.sub(r'data-now="[^"]+"|content="\w{64}"|value="\w{64}"', "", page)

    assert without_own(first) == without_own(second)
    assert first != second


def test_each_answer_bears_its_own_token_which_is_good_for_a_post(viewer: Person, browser: Browser, tier: Tier) -> None:  # noqa: F811
    client = Client(enforce_csrf_checks=True)
    client.force_login(viewer, backend="django.contrib.auth.backends.ModelBackend")
    tokens = [TOKEN.findall(text(client, PAGE)) for _ in range(2)]
    assert all(len(set(found)) == 1 for found in tokens)
    assert tokens[0] != tokens[1]
    assert client.post("/accounts/logout/", {"csrfmiddlewaretoken": "a" * 64}).status_code == 403
    assert client.post("/accounts/logout/", {"csrfmiddlewaretoken": tokens[1][0]}).status_code == 302


def test_nobody_sees_anothers_name_and_a_new_name_is_there_at_once(
    viewer: Person,
    qa: Person,
    browser: Browser,
    tier: Tier,  # noqa: F811
) -> None:
    mine, theirs = browser(viewer), browser(qa)
    assert '<strong class="wide-only">Viewer</strong>' in text(mine, PAGE)
    assert '<strong class="wide-only">Viewer</strong>' not in text(theirs, PAGE)
    Person.objects.filter(pk=viewer.pk).update(display_name="<i>Vera</i>")
    assert '<strong class="wide-only">&lt;i&gt;Vera&lt;/i&gt;</strong>' in text(mine, PAGE)


def test_a_new_alert_is_counted_in_the_rail_at_once(viewing: Client, tier: Tier) -> None:  # noqa: F811
    before = Alert.objects.filter(closed_at=None).count()
    text(viewing, PAGE)
    open_alert(tier)
    assert f'<span class="count">{before + 1}<' in text(viewing, PAGE)
    assert "made" in text(viewing, "/")


def test_a_message_is_shown_once_and_to_one_person(on_call: Person, qa: Person, browser: Browser, tier: Tier) -> None:  # noqa: F811
    mine, theirs = browser(on_call), browser(qa)
    for client in (mine, theirs):
        assert 'class="messages"' not in text(client, PAGE)
    alert = open_alert(tier)
    assert mine.post(reverse("metrics:acknowledge", args=[alert.pk]), {"note": "I look at it."}).status_code == 302
    assert 'class="messages"' not in text(theirs, PAGE)
    assert 'class="messages"' in text(mine, PAGE)
    assert 'class="messages"' not in text(mine, PAGE)
