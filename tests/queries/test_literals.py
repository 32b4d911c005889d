"""What is kept of a statement holds nothing that somebody wrote into it, however it was written or cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.queries.literals import masked, normalised

SECRET = "hunter2secret"
WRITTEN = st.sampled_from(
    [
        f"'{SECRET}'",
        f"'it''s {SECRET}'",
        f"E'it\\'s {SECRET}'",
        f"U&'{SECRET}'",
        f"$${SECRET}$$",
        f"$tag$ {SECRET} $ $tag$",
        f"-- {SECRET}\n",
        f"/* {SECRET} */",
        f"/* a /* b */ {SECRET} */",
        f"'it\\' {SECRET}'",
    ]
)
AROUND = st.sampled_from(
    ["SELECT * FROM t WHERE a = ", "a1", '"Odd ""name"', " AND ", "(", "::text", "$1", "'x'", " ", "\n"]
)


@given(st.lists(AROUND), WRITTEN, st.lists(AROUND), st.integers(0, 40))
def test_a_secret_never_remains_wherever_the_text_is_cut(
    before: list[str], written: str, after: list[str], cut: int
) -> None:
    text = " ".join(before) + " " + written + " " + " ".join(after)
    assert SECRET not in masked(text)
    cut_off = text[: len(text) - cut]
    assert not any(SECRET[:size] in masked(cut_off) for size in (8, 10, 13))


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_no_digit_of_a_number_remains(number: float) -> None:
    assert not any(character.isdigit() for character in masked(f"a = {number} AND y<{number}"))


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("SELECT key_id FROM api_key WHERE id = $1 AND n < 15", "SELECT key_id FROM api_key WHERE id = $1 AND n < 15"),
        ("-- whose key\nSELECT $1::numeric(10,2)", "SELECT $1::numeric(10,2)"),
        ("CREATE ROLE x PASSWORD 'open' VALID UNTIL '2030'", "CREATE ROLE x PASSWORD '…' VALID UNTIL '…'"),
        ("SET statement_timeout = 500", "SET statement_timeout = …"),
    ],
)
def test_normalised_texts_stay_readable(text: str, kept: str) -> None:
    assert normalised(text) == kept
