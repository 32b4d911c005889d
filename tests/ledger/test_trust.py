"""What the database itself refuses, and what `ledger verify` finds when somebody went round it."""

from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from apps.ledger.models import Entry, Head
from apps.ledger.verify import Checkpoint, Fault, verify
from tests.ledger.test_chain import note

Sql = Callable[[str], None]
NEXT = "SELECT max(seq) + 1, now(), 'eve', 'k', 's', '', '\\x7b7d'::bytea"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_entry SET actor = 'eve'",
        "DELETE FROM ledger_entry",
        "TRUNCATE ledger_entry",
        "UPDATE ledger_head SET seq = 0",
        "DELETE FROM ledger_head",
        "INSERT INTO ledger_head VALUES (2, 0, decode(repeat('00', 32), 'hex'))",
        "ALTER TABLE ledger_entry DISABLE TRIGGER ALL",
        "ALTER TABLE ledger_entry DROP COLUMN actor",
        "DROP TABLE ledger_entry",
        "SET session_replication_role = replica",
        "CREATE OR REPLACE FUNCTION ledger_admit() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        (
            "CREATE TEMP TABLE bait (LIKE ledger_entry);"
            "CREATE TRIGGER lends_rights BEFORE INSERT ON bait FOR EACH ROW EXECUTE FUNCTION ledger_admit()"
        ),
    ],
)
def test_the_serving_login_can_only_append(db: None, statement: str) -> None:
    note("one")
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert verify().ok


@pytest.mark.parametrize(
    "statement", ["UPDATE ledger_entry SET actor = 'eve'", "DELETE FROM ledger_entry", "TRUNCATE ledger_entry"]
)
def test_the_owner_is_refused_too_and_so_is_a_superuser(transactional_db: None, superuser: Sql, statement: str) -> None:
    note("one")
    with pytest.raises(Exception, match="only appended to"):
        superuser(f"SET session_replication_role = replica; SET ROLE opsportal_owner; {statement}")
    assert verify().ok


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (
            f"{NEXT}, max(hash), max(hash) FROM ledger_entry WHERE seq = (SELECT seq FROM ledger_head)",  # noqa: S608
            "not the hash of its content",
        ),
        ("SELECT seq + 2, now(), 'eve', 'k', 's', '', '\\x'::bytea, hash, hash FROM ledger_head", "does not follow"),
        (
            "SELECT seq + 1, now(), 'eve', 'k', 's', '', '\\x'::bytea, sha256(''), sha256('') FROM ledger_head",
            "does not link",
        ),
    ],
    ids=["hash", "number", "link"],
)
def test_an_entry_made_by_hand_must_fit_or_is_refused(db: None, values: str, reason: str) -> None:
    note("one")
    values = values.replace("max(hash)", "(SELECT hash FROM ledger_head)")
    with pytest.raises(DatabaseError, match=reason), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO ledger_entry (seq, at, actor, kind, subject, tier, body, prev_hash, hash) {values}"
        )


def test_a_temporary_table_cannot_pose_as_the_head(db: None) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE ledger_head AS SELECT 1::smallint AS id, 0::bigint AS seq, hash FROM ledger_head"
        )
        note("one")
        cursor.execute("DROP TABLE pg_temp.ledger_head")
    assert verify().ok


@pytest.fixture
def tamper(superuser: Sql) -> Sql:
    """Somebody who can do everything in the database switches the triggers off and rewrites."""
    for number in range(1, 7):
        note(number)

    def rewrite(statement: str) -> None:
        superuser(
            f"ALTER TABLE ledger_entry DISABLE TRIGGER ALL; ALTER TABLE ledger_head DISABLE TRIGGER ALL;{statement}"
        )

    return rewrite


SWAP = "".join(f"UPDATE ledger_entry SET seq = {new} WHERE seq = {old};" for old, new in ((4, 99), (5, 4), (99, 5)))  # noqa: S608
REHASH = "UPDATE ledger_entry e SET hash = ledger_hash(e) WHERE seq = 3"


@pytest.mark.parametrize(
    ("statement", "seq", "fault"),
    [
        ("UPDATE ledger_entry SET actor = 'eve' WHERE seq = 3", 3, Fault.ALTERED),
        ("UPDATE ledger_entry SET body = body || ' ' WHERE seq = 3", 3, Fault.ALTERED),
        ("UPDATE ledger_entry SET at = at - interval '1 microsecond' WHERE seq = 3", 3, Fault.ALTERED),
        ("UPDATE ledger_entry SET hash = sha256('') WHERE seq = 3", 3, Fault.ALTERED),
        (f"UPDATE ledger_entry SET actor = 'eve' WHERE seq = 3; {REHASH}", 4, Fault.RELINKED),  # noqa: S608
        ("DELETE FROM ledger_entry WHERE seq = 3", 3, Fault.GAP),
        ("DELETE FROM ledger_entry WHERE seq < 3", 1, Fault.GAP),
        ("DELETE FROM ledger_entry WHERE seq > 4", 5, Fault.CUT_SHORT),
        ("DELETE FROM ledger_entry", 1, Fault.CUT_SHORT),
        (SWAP, 4, Fault.ALTERED),
        ("UPDATE ledger_head SET seq = 5", 6, Fault.HEAD),
        ("DELETE FROM ledger_head", 0, Fault.HEAD),
    ],
)  # fmt: skip
def test_what_a_superuser_changed_is_found_and_named(tamper: Sql, statement: str, seq: int, fault: Fault) -> None:
    tamper(statement)
    broken = verify().broken
    assert broken is not None
    assert (broken.seq, broken.fault) == (seq, fault)
    with pytest.raises(CommandError, match=f"broken at entry {seq} "):
        call_command("ledger", "verify")


def test_a_ledger_rewritten_from_an_entry_to_its_head_is_found_by_a_checkpoint_kept_elsewhere(tamper: Sql) -> None:
    known = verify().checkpoint
    tamper(
        "DO $$ DECLARE n bigint; BEGIN UPDATE ledger_entry SET actor = 'eve' WHERE seq = 3; FOR n IN 3..6 LOOP "
        "UPDATE ledger_entry e SET prev_hash = (SELECT hash FROM ledger_entry WHERE seq = n - 1) WHERE seq = n; "
        "UPDATE ledger_entry e SET hash = ledger_hash(e) WHERE seq = n; END LOOP; "
        "UPDATE ledger_head SET hash = (SELECT hash FROM ledger_entry WHERE seq = 6); END $$"
    )
    assert verify().ok
    broken = verify(known).broken
    assert broken is not None
    assert broken.fault is Fault.CHECKPOINT


def test_a_checkpoint_stays_true_while_the_ledger_grows(db: None) -> None:
    note("one")
    known = verify().checkpoint
    note("two")
    assert verify(known).ok
    assert verify(Checkpoint.parse(str(known))).ok


def test_a_ledger_restored_from_an_old_dump_is_found_by_a_checkpoint(db: None) -> None:
    note("one")
    head = Head.objects.get()
    broken = verify(Checkpoint(head.seq + 3, b"\x01" * 32)).broken
    assert broken is not None
    assert "the checkpoint knows" in broken.explanation


def test_the_command_says_that_the_ledger_is_whole(db: None, capsys: pytest.CaptureFixture[str]) -> None:
    note("one")
    call_command("ledger", "verify")
    said = capsys.readouterr().out
    assert "The ledger is whole" in said
    assert str(verify().checkpoint) in said


def test_the_command_shows_one_entry_on_lines_that_nobody_can_forge(
    db: None, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = note("x", subject="a\nhash      forged\x1b[2J")
    call_command("ledger", "show", str(entry.seq))
    said = capsys.readouterr().out
    assert bytes(entry.hash).hex() in said
    assert "a\\u000ahash      forged\\u001b[2J" in said
    assert len(said.splitlines()) == 10


@pytest.mark.parametrize("arguments", [["show", "999999"], ["verify", "--checkpoint", "nonsense"]])
def test_nonsense_gets_a_clear_answer(db: None, arguments: list[str]) -> None:
    with pytest.raises(CommandError, match=r"There is no entry|is no checkpoint"):
        call_command("ledger", *arguments)


def test_the_count_of_entries_is_the_head(db: None) -> None:
    note("one")
    assert Entry.objects.count() == Head.objects.get().seq
