"""Files at a tick and at an issue: kept by their bytes, named by what is signed, downloaded and never shown as a page."""

import hashlib
import tracemalloc
from io import SEEK_END

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import ProgrammingError, transaction
from pytest_django import Settings

from apps.accounts.models import Person
from apps.ledger.keys import SigningKey
from apps.ledger.models import Entry
from apps.ledger.offline.verify import LOG, unpack
from apps.metrics.models import Tier
from apps.playbook.plan import ItemKind
from apps.rollouts.evidence import bundle
from apps.rollouts.models import Issue, Reading, Rollout, StoredFile, Tick
from apps.rollouts.start import start
from tests.people import Browser
from tests.rollouts.conftest import WEEK, at, bundled

PNG = b"\x89PNG\r\n\x1a\n" + b"picture"
LARGE = 1_000_000
DIGEST = hashlib.sha256(PNG).hexdigest()
HTMX = {"HX-Request": "true"}


@pytest.fixture
def rollout(lead: Person) -> Rollout:
    """A rollout on a tier that is not polled, nothing settled."""
    return start(Tier.objects.create(slug="paper", name="Paper"), "Phase 2", lead)


def attest(rollout: Rollout) -> str:
    """Address and slug of an item that a person attests."""
    return next(i.slug for i in at(rollout).week.items() if i.kind is ItemKind.ATTEST and not i.critical)


def url(rollout: Rollout, rest: str) -> str:
    return f"/rollouts/{rollout.pk}/weeks/{WEEK}/{rest}"


def sent(name: str = "restore.png", data: bytes = PNG) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, data, "text/html")


def test_a_file_alone_attests_and_is_part_of_all_that_is_proved(
    rollout: Rollout, qa: Person, viewer: Person, browser: Browser, settings: Settings
) -> None:
    where = url(rollout, f"items/{attest(rollout)}/tick/")
    covers = at(rollout).covers
    assert browser(qa).post(where, {"files": [sent(), sent("again.png")]}).status_code == 302
    tick = Tick.objects.get()
    assert [(f["name"], f["sha256"], f["bytes"]) for f in tick.files] == [("again.png", DIGEST, len(PNG))]
    assert at(rollout).covers != covers
    assert DIGEST in bytes(Entry.objects.get(kind="rollout.tick").body).decode()
    settings.LEDGER_KEY = SigningKey.make("portal.test/ledger", LOG).secret
    assert unpack(bundled(rollout, at(rollout).week))[f"attachments/{DIGEST}.png"] == PNG
    page = browser(viewer).get(url(rollout, "")).content.decode()
    assert f'href="/rollouts/{rollout.pk}/files/{DIGEST}/"' in page
    got = browser(viewer).get(f"/rollouts/{rollout.pk}/files/{DIGEST}/")
    assert (got.content, got["Content-Type"], got["X-Content-Type-Options"]) == (PNG, "image/png", "nosniff")
    assert got["Content-Disposition"].startswith("attachment")
    assert "sandbox" in got["Content-Security-Policy"]


def test_a_bundle_never_holds_many_files_at_once(
    rollout: Rollout, qa: Person, browser: Browser, settings: Settings
) -> None:
    settings.LEDGER_KEY = SigningKey.make("portal.test/ledger", LOG).secret
    for issue in range(4):
        files = [sent(f"{issue}{number}.txt", b"%d%d" % (issue, number) * (LARGE // 2)) for number in range(4)]
        assert browser(qa).post(url(rollout, "issues/"), {"text": "Full again.", "files": files}).status_code == 302
    tracemalloc.start()
    with bundle(rollout) as file:
        _now, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert file.seek(0, SEEK_END) > 16 * LARGE
    assert peak < 6 * LARGE


def test_what_the_first_of_two_people_attached_stays_with_the_item(
    rollout: Rollout, qa: Person, dba: Person, browser: Browser, settings: Settings
) -> None:
    settings.LEDGER_KEY = SigningKey.make("portal.test/ledger", LOG).secret
    critical = next(i for i in at(rollout).week.items() if i.critical and i.kind is not ItemKind.CHALLENGE)
    aside = url(rollout, f"items/{critical.slug}/")
    why = {"not_applicable": "on", "note": "This tier has none of it.", "files": [sent()]}
    assert browser(qa).post(aside + "tick/", why).status_code == 302
    assert DIGEST in browser(dba).get(url(rollout, "")).content.decode(), "seen before somebody agrees"
    assert f"attachments/{DIGEST}.png" in unpack(bundled(rollout)), "whether or not somebody agrees"
    assert browser(dba).post(aside + "agree/").status_code == 302
    read = next(i for i in at(rollout).week.items() if i.kind is ItemKind.CHALLENGE)
    where = url(rollout, f"items/{read.slug}/tick/")
    log = sent("read.log", b"line 3\n")
    assert browser(qa).post(where, {"note": "Line 3.", "files": [log]}).status_code == 302
    confirm = {"reading": str(Reading.objects.get().pk), "note": "Line 3 it is."}
    assert browser(dba).post(where, confirm).status_code == 302
    kept = {tick.item: [file["name"] for file in tick.files] for tick in Tick.objects.all()}
    assert kept == {critical.slug: ["restore.png"], read.slug: ["read.log"]}
    for kind in ("rollout.propose", "rollout.read"):
        assert "sha256" in bytes(Entry.objects.get(kind=kind).body).decode(), kind


def test_the_same_bytes_sent_later_rename_nobodys_file(
    rollout: Rollout, qa: Person, support: Person, viewer: Person, browser: Browser, settings: Settings
) -> None:
    settings.LEDGER_KEY = SigningKey.make("portal.test/ledger", LOG).secret
    browser(qa).post(url(rollout, f"items/{attest(rollout)}/tick/"), {"files": [sent("first.log", b"a,b\n")]})
    browser(support).post(url(rollout, "issues/"), {"text": "Look.", "files": [sent("second.csv", b"a,b\n")]})
    digest = hashlib.sha256(b"a,b\n").hexdigest()
    got = browser(viewer).get(f"/rollouts/{rollout.pk}/files/{digest}/")
    assert (got["Content-Type"], "first.log" in got["Content-Disposition"]) == ("text/plain", True)
    assert [name for name in unpack(bundled(rollout)) if digest in name] == [f"attachments/{digest}.log"]


def test_a_file_of_an_issue_is_signed_with_it(rollout: Rollout, qa: Person, browser: Browser) -> None:
    note = {"text": "The pool was full.", "files": [sent("pool.log", b"waiting 12\n")]}
    assert browser(qa).post(url(rollout, "issues/"), note).status_code == 302
    digest = hashlib.sha256(b"waiting 12\n").hexdigest()
    assert Issue.objects.get().files[0]["sha256"] == digest
    assert at(rollout).covered["issues"][0]["files"] == {digest: "pool.log"}


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("page.html", b"<script>", "none of the files that are kept"),
        ("page.png", b"<html><script>", "not what its name says"),
        ("shot.svg", b"<svg/>", "none of the files that are kept"),
        ("app.log", b"\xff\xfe\x00b", "not what its name says"),
        ("shot.png", b"", "empty"),
        ("shot.png", PNG + b"x" * 2000, "larger than"),
    ],
)
def test_what_is_not_kept_is_refused_and_loses_no_word(
    rollout: Rollout, qa: Person, browser: Browser, settings: Settings, name: str, data: bytes, told: str
) -> None:
    settings.FILE_MAX_BYTES = 1000
    where = url(rollout, f"items/{attest(rollout)}/tick/")
    answer = browser(qa).post(where, {"note": "Restored on host b.", "files": [sent(name, data)]}, headers=HTMX)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert told in page
    assert 'value="Restored on host b."' in page
    assert not Tick.objects.exists()
    assert not StoredFile.objects.exists()


def test_too_many_and_too_much_are_refused(rollout: Rollout, qa: Person, browser: Browser, settings: Settings) -> None:
    where = url(rollout, f"items/{attest(rollout)}/tick/")
    many = {"files": [sent(f"{n}.png") for n in range(6)]}
    assert "at most 5 files" in browser(qa).post(where, many, headers=HTMX).content.decode()
    settings.FILE_MAX_BYTES = 1000
    assert browser(qa).post(where, {"files": [sent("x.png", PNG + bytes(4_000_000))]}).status_code == 400
    assert not StoredFile.objects.exists()


def test_the_files_of_a_rollout_have_a_limit_together(
    rollout: Rollout, qa: Person, browser: Browser, settings: Settings
) -> None:
    settings.FILES_TOTAL_BYTES = 1000
    noted = {"text": "The pool was full.", "files": [sent("a.png", PNG + bytes(700))]}
    assert browser(qa).post(url(rollout, "issues/"), noted).status_code == 302
    noted["files"] = [sent("b.png", PNG + bytes(701))]
    refused = browser(qa).post(url(rollout, "issues/"), noted)
    assert refused.status_code == 422
    assert "larger than 1000" in refused.content.decode().replace("\N{NO-BREAK SPACE}", " ")
    assert StoredFile.objects.count() == 1


def test_another_rollout_and_another_tier_hand_it_not_out(
    rollout: Rollout, qa: Person, lead: Person, stranger: Person, browser: Browser
) -> None:
    browser(qa).post(url(rollout, f"items/{attest(rollout)}/tick/"), {"files": [sent()]})
    other = start(Tier.objects.create(slug="other", name="Other"), "Phase 2", lead)
    assert browser(qa).get(f"/rollouts/{other.pk}/files/{DIGEST}/").status_code == 404
    assert browser(qa).get(f"/rollouts/{rollout.pk}/files/{'0' * 64}/").status_code == 404
    assert browser(stranger).get(f"/rollouts/{rollout.pk}/files/{DIGEST}/").status_code == 404


def test_a_changed_file_is_not_handed_out(rollout: Rollout, qa: Person, browser: Browser) -> None:
    StoredFile.objects.create(digest=DIGEST, data=b"another")  # the serving login cannot change what is kept
    browser(qa).post(url(rollout, f"items/{attest(rollout)}/tick/"), {"files": [sent()]})
    with pytest.raises(ProgrammingError), transaction.atomic():
        StoredFile.objects.update(data=PNG)
    answer = browser(qa).get(f"/rollouts/{rollout.pk}/files/{DIGEST}/")
    assert answer.status_code == 410
    assert "no longer the one that was attached" in answer.content.decode()
