"""Appending: order, links, exact bytes; and that an action without its entry does not happen."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import rfc8785
from django.db import DatabaseError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts import grants
from apps.accounts.models import Person
from apps.accounts.roles import Role
from apps.ledger.chain import append
from apps.ledger.kinds import UnknownKind, declare
from apps.ledger.leaf import GENESIS, Unwritable, canonical
from apps.ledger.models import Entry, Head
from apps.ledger.verify import verify

declare("test.noted", "Noted", "{actor} noted {what}.")


def note(what: Any, **changed: str) -> Entry:
    words = {"kind": "test.noted", "subject": "tests/1", "actor": "ann", "tier": "lab"} | changed
    with transaction.atomic():
        return append(body={"what": what}, **words)


def test_entries_are_numbered_without_gaps_and_each_links_to_the_one_before(db: None) -> None:
    start = Head.objects.get()
    first, second = note("one"), note("two")
    assert (first.seq, second.seq) == (start.seq + 1, start.seq + 2)
    assert first.prev_hash == bytes(start.hash)
    assert second.prev_hash == first.hash
    assert first.hash != second.hash


def test_the_first_entry_links_to_nothing(transactional_db: None) -> None:
    assert note("one").prev_hash == GENESIS


def test_what_was_said_is_kept_to_the_byte(db: None) -> None:
    entry = Entry.objects.get(pk=note({"z": 1, "a": "é\u2028\x00"}).pk)
    assert bytes(entry.body) == '{"what":{"a":"é\u2028\\u0000","z":1}}'.encode()
    assert entry.content == {"what": {"z": 1, "a": "é\u2028\x00"}}


def test_what_json_cannot_carry_exactly_travels_as_a_string() -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    body = {
        "big": 2**63,
        "price": Decimal("1.10"),
        "at": at,
        "for": timedelta(minutes=1, milliseconds=5),
        "role": Role.QA,
    }
    assert canonical(body) == (
        b'{"at":"2026-03-01T12:00:00.000000Z","big":"9223372036854775808","for":"60.005","price":"1.10","role":"qa"}'
    )


@pytest.mark.parametrize(
    "body",
    [float("nan"), object(), {1: 2}, "\ud800", datetime(2026, 1, 1)],  # noqa: DTZ001  the point
    ids=["not a number", "an object", "a number as key", "half a character", "a time"],
)
def test_what_is_no_json_is_refused(db: None, body: Any) -> None:
    before = Entry.objects.count()
    with pytest.raises(Unwritable):
        note(body)
    assert Entry.objects.count() == before


def test_a_body_without_end_is_refused(db: None) -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(Unwritable):
        note(endless)


@pytest.mark.parametrize(
    ("name", "text"), [("actor", "x" * 501), ("subject", "a\x00b"), ("actor", ""), ("tier", "\udfff")]
)
def test_names_that_cannot_be_stored_are_refused(db: None, name: str, text: str) -> None:
    with pytest.raises(Unwritable):
        note("x", **{name: text})


def test_a_kind_that_nobody_declared_is_refused_with_the_remedy(db: None) -> None:
    with pytest.raises(UnknownKind, match=r"apps\.ledger\.kinds\.declare\('test\.unheard'"):
        note("x", kind="test.unheard")


def test_an_entry_outside_a_transaction_is_refused(transactional_db: None) -> None:
    with pytest.raises(Unwritable, match="outside a transaction"):
        append(kind="test.noted", subject="tests/1", actor="ann")
    assert not Entry.objects.exists()


def test_an_entry_goes_with_its_transaction(db: None) -> None:
    before = Head.objects.get().seq

    def change_its_mind() -> None:
        with transaction.atomic():
            append(kind="test.noted", subject="tests/1", actor="ann")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_its_mind()
    assert Head.objects.get().seq == before
    assert verify().ok


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | st.floats(allow_nan=False, allow_infinity=False) | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(what=_json, subject=_text.filter(lambda text: text and "\x00" not in text))
def test_whatever_is_recorded_the_database_and_we_agree_on_its_hash(db: None, what: Any, subject: str) -> None:
    entry = Entry.objects.get(pk=note(what, subject=subject).pk)
    assert entry.leaf.hash == bytes(entry.hash)
    assert rfc8785.dumps(entry.content) == bytes(entry.body)


def test_twenty_writers_at_once_leave_one_unbroken_chain(transactional_db: None) -> None:
    together = threading.Barrier(20, timeout=30)

    def write(number: int) -> list[int]:
        try:
            together.wait()
            return [note(f"{number}/{turn}").seq for turn in range(5)]
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        written = [seq for seqs in pool.map(write, range(20)) for seq in seqs]
    assert sorted(written) == list(range(1, 101))
    report = verify()
    assert (report.ok, report.whole) == (True, 100)


def test_when_the_ledger_cannot_be_written_nothing_is_done_and_reading_goes_on(
    transactional_db: None, owner: Any, lead: Person, qa: Person
) -> None:
    owner("REVOKE INSERT ON ledger_entry FROM opsportal_app")
    try:
        with pytest.raises(DatabaseError):
            grants.grant(qa, Role.DBA, by=lead)
    finally:
        owner("GRANT INSERT ON ledger_entry TO opsportal_app")
    assert {grant.role for grant in qa.grants.all()} == {"qa"}
    assert list(Entry.objects.all()) == []
