"""Signed checkpoints and their witness: what a superuser or an old dump does to the ledger is refused and named."""

import os
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from apps.accounts.models import Person
from apps.lab.layout import Layout
from apps.lab.processes import server_user
from apps.ledger import checkpoints
from apps.ledger.checkpoints import NotSigned, due, latest, write
from apps.ledger.keys import KeyUnusable, SigningKey
from apps.ledger.models import Finding, Head, SignedCheckpoint
from apps.ledger.offline.verify import LOG, WITNESS, Checkpoint, Key, Note
from apps.ledger.state import Witnessing, standing
from apps.ledger.tasks import sign_checkpoint
from apps.ledger.witness import Refusal, Refused, Unreachable
from tests import database
from tests.ledger.conftest import Sql, Witnesses
from tests.ledger.test_chain import note
from tests.people import Browser

ROOT = Path(__file__).resolve().parents[2]
# A superuser rewrites entry 3 and all links after it, so that the chain holds again.
REWRITE = (
    "ALTER TABLE ledger_entry DISABLE TRIGGER ALL; ALTER TABLE ledger_head DISABLE TRIGGER ALL;"
    "DO $$ DECLARE n bigint; BEGIN UPDATE ledger_entry SET actor = 'eve' WHERE seq = 3; FOR n IN 3..6 LOOP "
    "UPDATE ledger_entry e SET prev_hash = (SELECT hash FROM ledger_entry WHERE seq = n - 1) WHERE seq = n; "
    "UPDATE ledger_entry e SET hash = ledger_hash(e) WHERE seq = n; END LOOP; "
    "UPDATE ledger_head SET hash = (SELECT hash FROM ledger_entry WHERE seq = 6); END $$;"
    "ALTER TABLE ledger_entry ENABLE TRIGGER ALL; ALTER TABLE ledger_head ENABLE TRIGGER ALL;"
)
FORGET = "ALTER TABLE ledger_checkpoint DISABLE TRIGGER ALL; DELETE FROM ledger_checkpoint;"


def six() -> None:
    for number in range(1, 7):
        note(number)


def test_a_checkpoint_says_what_the_ledger_is_and_verifies_with_the_public_key(db: None, ledger_key: Key) -> None:
    note("one")
    made = write()
    assert latest() == made
    signed = Note.parse(Client().get("/ledger/checkpoint").content)
    signed.signed_at(ledger_key)
    said = Checkpoint.parse(signed.text)
    assert (said.origin, said.size, said.root) == ("portal.test/ledger", Head.objects.get().seq, bytes(made.root))


def test_the_page_claims_no_more_than_was_signed(db: None, ledger_key: Key, browser: Browser, viewer: Person) -> None:
    def heading() -> str:
        return browser(viewer).get("/ledger/").content.decode().partition("<h1")[2].partition("</h1>")[0]

    note("first")
    size = write().size
    assert "1 entry, examined and signed." in heading()
    note("newer")
    assert f"the first {size} examined and signed." in heading()
    write()
    assert "the first" not in heading()


def test_an_empty_ledger_is_signed_too_and_a_newer_signature_replaces_the_older(db: None, ledger_key: Key) -> None:
    first = write()
    again = write()
    assert again.size == first.size
    assert again.at > first.at
    assert SignedCheckpoint.objects.count() == 1


def test_without_a_key_nothing_is_signed_and_the_remedy_is_said(db: None, settings: Settings) -> None:
    settings.LEDGER_KEY = ""
    with pytest.raises(NotSigned, match="ledger key"):
        write()
    settings.LEDGER_KEY = SigningKey.make("witness.test", WITNESS).secret
    with pytest.raises(NotSigned, match="no key of this kind"):
        write()
    assert Client().get("/ledger/checkpoint").status_code == 404


def test_a_checkpoint_is_due_by_age_or_by_entries(db: None, ledger_key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    assert due(timezone.now())
    sign_checkpoint()
    assert not due(timezone.now())
    assert due(timezone.now() + timedelta(minutes=6))
    monkeypatch.setattr(checkpoints, "RENEW_ENTRIES", 1)
    note("one")
    sign_checkpoint()
    assert SignedCheckpoint.objects.filter(size=Head.objects.get().seq).exists()


def test_keys_are_made_once_kept_private_and_a_damaged_one_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ledger.key"
    call_command("ledger", "key", "ops.example.org/ledger", "--out", str(path))
    secret, public = path.read_text(encoding="ascii"), capsys.readouterr().out.splitlines()[-1]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SigningKey.parse(secret, LOG).public == Key.parse(public)
    assert secret not in repr(SigningKey.parse(secret, LOG))
    with pytest.raises(CommandError, match="No key was made"):
        call_command("ledger", "key", "ops.example.org/ledger", "--out", str(path))
    with pytest.raises(KeyUnusable, match="damaged"):
        SigningKey.parse(secret.replace("PRIVATE+KEY+ops", "PRIVATE+KEY+ups"), LOG)
    with pytest.raises(CommandError, match="no name for a key"):
        call_command("ledger", "key", "two words", "--out", str(tmp_path / "other"))


def test_the_witness_signs_what_continues_what_it_saw(
    db: None, witness: Witnesses, viewer: Person, browser: Browser
) -> None:
    note("one")
    write()
    assert standing().witnessing is Witnessing.BEHIND
    first = witness.look()
    for number in range(5):
        note(number)
    write()
    second = witness.look()
    assert second.size == first.size + 5
    cosigned = Note.parse((witness.folder / "witnessed.txt").read_bytes())
    assert [name for name, _id, _blob in cosigned.lines] == ["portal.test/ledger", "witness.test"]
    cosigned.signed_at(witness.ledger)
    assert cosigned.signed_at(witness.key.public)
    assert standing().witnessing is Witnessing.SIGNED
    assert "examined and signed, witnessed." in browser(viewer).get("/ledger/").content.decode()


def refused(witness: Witnesses, why: Refusal) -> None:
    """The witness refuses for this reason, keeps its memory, and the portal's state says so."""
    remembered = (witness.folder / "memory.json").read_bytes()
    with pytest.raises(Refused) as told:
        witness.look()
    assert told.value.refusal is why
    assert (witness.folder / "memory.json").read_bytes() == remembered
    now = standing()
    assert now.witnessing is Witnessing.REFUSED
    assert now.trouble


def test_a_superusers_rewrite_is_found_at_the_next_checkpoint(
    transactional_db: None, ledger_key: Key, superuser: Sql, viewer: Person, browser: Browser
) -> None:
    six()
    write()
    superuser(REWRITE)
    for _twice in range(2):
        with pytest.raises(NotSigned, match="rewritten"):
            write()
    assert Finding.objects.count() == 1
    shown = browser(viewer).get("/ledger/").content.decode()
    assert "are not those that were signed" in shown


def test_a_rewrite_that_also_forgets_what_was_signed_is_found_by_the_witness(
    transactional_db: None, witness: Witnesses, superuser: Sql, viewer: Person, browser: Browser
) -> None:
    six()
    write()
    witness.look()
    superuser(REWRITE + FORGET)
    write()
    refused(witness, Refusal.REWRITTEN)
    note("later")
    write()
    refused(witness, Refusal.REWRITTEN)
    assert "The witness refuses to sign" in browser(viewer).get("/ledger/").content.decode()


def test_an_old_dump_restored_is_found_by_the_witness(
    transactional_db: None, layout: Layout, witness: Witnesses
) -> None:
    six()
    write()
    witness.look()
    database.restore_empty(layout)
    note("after the restore")
    write()
    refused(witness, Refusal.SHORTER)
    for number in range(10):
        note(number)
    write()
    refused(witness, Refusal.REWRITTEN)


def test_an_older_checkpoint_a_forged_one_and_a_clock_that_goes_back_are_refused(
    transactional_db: None, witness: Witnesses, superuser: Sql
) -> None:
    six()
    write()
    witness.look()
    superuser(FORGET)
    text = str(Checkpoint("portal.test/ledger", 6, b"\x01" * 32, int(timezone.now().timestamp())))
    other = SigningKey.make("portal.test/ledger", LOG)
    SignedCheckpoint.objects.create(size=6, root=b"\x01" * 32, at=timezone.now(), note=f"{text}\n{other.sign(text)}")
    refused(witness, Refusal.FORGED)
    superuser(FORGET)
    write()
    witness.ahead = -3600
    refused(witness, Refusal.TIME)
    witness.ahead = 0
    witness.look()
    assert standing().trouble == ""


def test_a_portal_that_does_not_answer_is_no_refusal(db: None, witness: Witnesses) -> None:
    with pytest.raises(Unreachable, match="No checkpoint was signed yet"):
        witness.look()
    assert not (witness.folder / "witnessed.txt.refused").exists()
    (witness.folder / "memory.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="Restore it from its copy"):
        witness.look()


def test_what_somebody_else_wrote_in_the_witnesss_place_is_not_believed(db: None, witness: Witnesses) -> None:
    note("one")
    write()
    witness.look()
    path = witness.folder / "witnessed.txt"
    path.write_bytes(path.read_bytes().replace(b"time 1", b"time 2", 1))
    assert standing().witnessing is Witnessing.UNREADABLE


def test_consistency_is_shown_up_to_what_was_signed_only(db: None, ledger_key: Key) -> None:
    note("one")
    assert Client().get("/ledger/consistency/1/1/").status_code == 404
    size = write().size
    assert Client().get(f"/ledger/consistency/{size}/{size}/").status_code == 200
    assert Client().get(f"/ledger/consistency/1/{size + 1}/").status_code == 404
    assert Client().get(f"/ledger/consistency/{size + 1}/{size}/").status_code == 404


def test_the_witness_is_a_process_of_another_user_that_needs_none_of_the_portals_secrets(
    transactional_db: None, live_server: LiveServer, ledger_key: Key, tmp_path: Path
) -> None:
    note("one")
    write()
    key = tmp_path / "witness.key"
    call_command("ledger", "key", "witness.test", "--witness", "--out", str(key))
    user = server_user()
    home = Path("/var/tmp") / f"opsportal-witness-{os.getpid()}" if os.geteuid() == 0 else tmp_path / "home"
    home.mkdir()
    try:
        (home / "key").write_text(key.read_text(encoding="ascii"), encoding="ascii")
        if os.geteuid() == 0:
            for path in (home / "key", home):
                os.chown(path, *_ids(user))
        words = [
            "--url",
            live_server.url,
            "--ledger-key",
            str(ledger_key),
            "--key",
            str(home / "key"),
            "--once",
            "--as",
            user,
        ]
        argv = [
            sys.executable,
            "manage.py",
            "ledger",
            "witness",
            *words,
            "--memory",
            str(home / "memory"),
            "--out",
            str(home / "out"),
        ]
        bare = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(argv, cwd=ROOT, env=bare, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert (home / "out").owner() == user
        Note.parse((home / "out").read_bytes()).signed_at(ledger_key)
        (home / "memory").write_text(
            (home / "memory").read_text(encoding="utf-8").replace('"size": 1', '"size": 9'), encoding="utf-8"
        )
        done = subprocess.run(argv, cwd=ROOT, env=bare, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert "an old dump was restored" in done.stderr
    finally:
        subprocess.run(["rm", "-r", str(home)], check=False)


def _ids(user: str) -> tuple[int, int]:
    import pwd  # noqa: PLC0415

    entry = pwd.getpwnam(user)
    return entry.pw_uid, entry.pw_gid
