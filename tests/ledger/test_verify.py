"""A ledger of several ranges: what several processes find is what one finds, also where two ranges meet."""

from collections.abc import Callable

import pytest
from django.core.management import call_command

from apps.ledger import verify as verifying
from apps.ledger.checkpoints import NotSigned, write
from apps.ledger.examine import ENTRIES
from apps.ledger.models import Entry
from apps.ledger.proofs import tree
from apps.ledger.tree import Frontier
from apps.ledger.verify import Checkpoint, Fault, Report, verify
from tests.ledger.test_tree import fill

Sql = Callable[[str], None]
SIZE, MET = 2 * ENTRIES + 300, ENTRIES  # MET: the last entry of the first range
MINE = "ALTER TABLE ledger_entry DISABLE TRIGGER ALL; ALTER TABLE ledger_head DISABLE TRIGGER ALL;"
FROM_OLD = "INSERT INTO ledger_entry SELECT * FROM kept ON CONFLICT (seq) DO UPDATE SET {columns}".format(  # noqa: S608
    columns=", ".join(f"{name} = excluded.{name}" for name in ("at", "actor", "kind", "body", "prev_hash", "hash"))
)
REHASH = f"UPDATE ledger_entry e SET actor = 'eve' WHERE seq = {MET}; UPDATE ledger_entry e SET hash = ledger_hash(e) WHERE seq = {MET}"  # noqa: S608
CASES = [
    (f"UPDATE ledger_entry SET actor = 'eve' WHERE seq = {MET}", MET, Fault.ALTERED, False),  # noqa: S608
    (f"UPDATE ledger_entry SET at = '20000-01-01' WHERE seq = {MET + 1}", MET + 1, Fault.ALTERED, False),  # noqa: S608
    (REHASH, MET + 1, Fault.RELINKED, True),
    (f"DELETE FROM ledger_entry WHERE seq = {MET + 1}", MET + 1, Fault.GAP, False),  # noqa: S608
    (f"DELETE FROM ledger_entry WHERE seq BETWEEN {MET - 3} AND {2 * MET + 5}", MET - 3, Fault.GAP, True),  # noqa: S608
    (f"DELETE FROM ledger_entry WHERE seq > {MET}", MET + 1, Fault.CUT_SHORT, False),  # noqa: S608
    ("UPDATE ledger_head SET seq = 5", SIZE, Fault.HEAD, False),
]

REWRITE = (
    "DO $$ DECLARE n bigint; BEGIN UPDATE ledger_entry SET actor = 'eve' WHERE seq = 2000; FOR n IN 2000..LAST LOOP "
    "UPDATE ledger_entry e SET prev_hash = (SELECT hash FROM ledger_entry WHERE seq = n - 1) WHERE seq = n; "
    "UPDATE ledger_entry e SET hash = ledger_hash(e) WHERE seq = n; END LOOP; "
    "UPDATE ledger_head SET hash = (SELECT hash FROM ledger_entry WHERE seq = LAST); END $$"
)


def both(checkpoint: Checkpoint | None = None) -> Report:
    """What one process and what two find, which must be the same."""
    alone, together = verify(checkpoint, processes=1), verify(checkpoint, processes=2)
    assert alone == together
    return alone


def test_wherever_it_is_changed_two_processes_find_what_one_finds(
    transactional_db: None, superuser: Sql, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(SIZE)
    monkeypatch.setattr(verifying, "ALONE", 0)
    hashes = [bytes(found) for found in Entry.objects.order_by("seq").values_list("hash", flat=True)]
    assert both().checkpoint == Checkpoint(SIZE, hashes[-1])
    assert both(Checkpoint(MET + 1, hashes[MET])).ok
    for size in (1, MET, MET + 1, SIZE):
        broken = verify(Checkpoint(size, bytes(32))).broken
        assert broken
        assert (broken.seq, broken.fault) == (size, Fault.CHECKPOINT)
    for processes in (1, 2):
        grown = Frontier(roots={MET - 1: b"", MET + 7: b""})
        assert verify(grown=grown, processes=processes).ok
        assert grown.root == tree(SIZE).root
        assert grown.roots == {size: tree(size).root for size in grown.roots}
    superuser(f"{MINE} CREATE TABLE kept AS TABLE ledger_entry; CREATE TABLE kept_head AS TABLE ledger_head")
    try:
        for statement, seq, fault, abreast in CASES:
            superuser(statement)
            broken = (both() if abreast else verify(processes=1)).broken
            assert broken, statement
            assert (broken.seq, broken.fault) == (seq, fault), statement
            superuser(f"{FROM_OLD}; UPDATE ledger_head SET seq = k.seq FROM kept_head k")  # noqa: S608
        assert verify().ok
    finally:
        superuser("DROP TABLE kept, kept_head")
    call_command("ledger", "verify")
    assert f"The ledger is whole: {SIZE} entries." in capsys.readouterr().out


def test_the_tree_signed_is_of_what_the_entries_say_not_of_its_stored_hashes(
    transactional_db: None, superuser: Sql, ledger_key: object
) -> None:
    fill(ENTRIES + 40)
    signed = write()
    superuser(MINE + REWRITE.replace("LAST", str(signed.size)))
    assert verify().ok
    with pytest.raises(NotSigned, match=f"The first {signed.size} entries are not those that were signed"):
        write()
