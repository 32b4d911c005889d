"""The Merkle tree: RFC 6962's known vectors, every proof against a naive tree, and what the store keeps of it."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path

import pytest
from django.db import DatabaseError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from apps.ledger.models import Entry, Head
from apps.ledger.offline.verify import BrokenClaim, consistent, ed25519, leaf_hash, node_hash, root_by_path
from apps.ledger.proofs import tree
from apps.ledger.tree import EMPTY, Frontier, Tree, fold
from tests.ledger.test_chain import note

# Leaves and answers of the Certificate Transparency project's tests.
LEAVES = [
    leaf_hash(bytes.fromhex(text))
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
VECTORS = json.loads((Path(__file__).parent / "vectors" / "ed25519.json").read_text(encoding="utf-8"))["tests"]

FILL = """
CREATE FUNCTION pg_temp.fill(size bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    e ledger_entry;
    last ledger_head;
BEGIN
    LOOP
        SELECT * INTO last FROM ledger_head;
        EXIT WHEN last.seq >= size;
        e := ROW(last.seq + 1, clock_timestamp(), 'ann', 'test.noted', 'tests/1', 'lab', '{}'::bytea, last.hash, last.hash);
        e.hash := ledger_hash(e);
        INSERT INTO ledger_entry SELECT e.*;
    END LOOP;
END $$
"""


def naive(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word for word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return node_hash(naive(leaves[:k]), naive(leaves[k:]))


def over(leaves: list[bytes]) -> Tree:
    """A tree whose subtrees are computed when they are asked for."""
    return Tree(len(leaves), lambda level, index: naive(leaves[index << level : (index + 1) << level]))


def test_roots_are_those_of_rfc_6962() -> None:
    assert EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert [over(LEAVES[: n + 1]).root.hex() for n in range(8)] == ROOTS
    assert [fold(LEAVES[: n + 1]).hex() for n in range(8)] == ROOTS


def test_known_paths() -> None:
    first = ["96a296d2", "5f083f0a", "6b47aaf2"]
    assert [step.hash.hex()[:8] for step in over(LEAVES).inclusion(1)] == first
    assert [step.hex()[:8] for step in over(LEAVES).consistency(1)] == first
    assert [step.hex()[:8] for step in over(LEAVES).consistency(6)] == ["0ebc5d34", "ca854ea1", "d37ee418"]
    assert [step.hex()[:8] for step in over(LEAVES[:5]).consistency(2)] == ["5f083f0a", "bc1a0643"]


sizes = st.integers(1, 70)


@given(size=sizes, data=st.data())
def test_every_entry_is_shown_to_be_in_every_tree_and_in_its_place_only(size: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(b"%d" % n) for n in range(size)]
    entry, other = data.draw(st.integers(1, size)), data.draw(st.integers(1, size))
    path = [step.hash for step in over(leaves).inclusion(entry)]
    assert root_by_path(entry - 1, size, leaves[entry - 1], path) == naive(leaves)
    if other != entry:
        with suppress(BrokenClaim):
            assert root_by_path(other - 1, size, leaves[entry - 1], path) != naive(leaves)
    for place in range(len(path)):
        changed = [*path[:place], hashlib.sha256(path[place]).digest(), *path[place + 1 :]]
        assert root_by_path(entry - 1, size, leaves[entry - 1], changed) != naive(leaves)


@given(new=sizes, data=st.data())
def test_every_tree_is_shown_to_continue_every_older_one_and_no_other(new: int, data: st.DataObject) -> None:
    leaves = [leaf_hash(b"%d" % n) for n in range(new)]
    old = data.draw(st.integers(0, new))
    path, before, after = over(leaves).consistency(old), naive(leaves[:old]), naive(leaves)
    assert consistent(old, new, before, after, path)
    assert not consistent(old, new, before, after, [*path, after])
    assert not consistent(old, new, before, hashlib.sha256(after).digest(), path) or old == 0
    assert not consistent(new + 1, new, before, after, path)
    if old:
        rewritten = [leaf_hash(b"other"), *leaves[1:]]
        assert not consistent(old, new, before, naive(rewritten), over(rewritten).consistency(old))


@given(st.integers(0, 300))
def test_the_tree_that_grows_has_the_same_root(size: int) -> None:
    leaves = [leaf_hash(b"%d" % n) for n in range(size)]
    grown = Frontier()
    for leaf in leaves:
        grown.add(leaf)
    assert grown.root == naive(leaves)
    assert len(grown.peaks) == size.bit_count()


@given(size=st.integers(1, 300), level=st.integers(0, 6), remembered=st.integers(1, 300))
def test_whole_subtrees_may_be_added_at_once(size: int, level: int, remembered: int) -> None:
    leaves, grown = [leaf_hash(b"%d" % n) for n in range(size)], Frontier(roots={remembered: b""})
    width = 1 << level
    for start in range(0, size - width + 1, width):
        grown.add(fold(leaves[start : start + width]), level)
    if level and grown.size % (2 * width):
        with pytest.raises(ValueError, match="begins after"):
            grown.add(leaves[0], level + 1)
    for leaf in leaves[grown.size :]:
        grown.add(leaf)
    assert grown.root == naive(leaves)
    assert grown.roots[remembered] in {b"", naive(leaves[:remembered])}


def fill(size: int) -> None:
    """A ledger of exactly so many entries, by the database's own functions: quicker than one by one."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(FILL)
        cursor.execute("SELECT pg_temp.fill(%s)", [size])


def test_the_store_gives_roots_and_proofs_of_any_size(transactional_db: None) -> None:
    fill(600)
    leaves = [bytes(found) for found in Entry.objects.order_by("seq").values_list("hash", flat=True)]
    for size in (1, 2, 255, 256, 257, 511, 512, 513, 600):
        assert tree(size).root == naive(leaves[:size]), size
        for entry in {1, size // 2 or 1, size}:
            path = [step.hash for step in tree(size).inclusion(entry)]
            assert root_by_path(entry - 1, size, leaves[entry - 1], path) == naive(leaves[:size])
        assert consistent(size, 600, naive(leaves[:size]), naive(leaves), tree(600).consistency(size))
    with connection.cursor() as cursor:
        cursor.execute("SELECT level, index FROM ledger_tile ORDER BY level, index")
        assert cursor.fetchall() == [(1, 0), (1, 1)]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO ledger_tile VALUES (1, 7, sha256(''))",
        "UPDATE ledger_tile SET hash = sha256('')",
        "DELETE FROM ledger_checkpoint",
        "UPDATE ledger_checkpoint SET root = sha256('')",
        "TRUNCATE ledger_finding",
        "SELECT ledger_complete(256)",
    ],
)
def test_the_serving_login_cannot_touch_the_tree(db: None, statement: str) -> None:
    note("one")
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert tree(Head.objects.get().seq).root


@pytest.mark.parametrize("vector", VECTORS, ids=[f"{v['tcId']}-{v['flags'][0]}" for v in VECTORS])
def test_signatures_of_notes_hold_against_wycheproof(vector: dict[str, str]) -> None:
    public, signature, message = (bytes.fromhex(vector[part]) for part in ("pk", "sig", "msg"))
    assert ed25519(public, signature, message) == (vector["result"] == "valid")
