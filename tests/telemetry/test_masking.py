"""No secret leaves: by key, by shape, at any depth; and what is harmless stays readable."""

import io
import logging
import time
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apps.telemetry import masking
from apps.telemetry.masking import MASK, end_of_trace, mask, mask_text

SECRET_IN_TEXT = [
    ("login with password=hunter2-xyz failed", "hunter2-xyz"),
    ('{"password": "hunter2 with blanks"}', "hunter2 with blanks"),
    ('{\\"api_key\\": \\"abc123def\\"}', "abc123def"),
    ("{'token': 'it''s secret'}", "s secret"),
    ("Authorization: Bearer abc.def-123", "abc.def-123"),
    ("authorization=Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ("Cookie: sessionid=abc123; theme=dark", "abc123"),
    ("set-cookie: sessionid=abc123; HttpOnly", "abc123"),
    ("sent Bearer 0123456789abcdef to it", "0123456789abcdef"),
    ("postgresql://app:s3cr3t@127.0.0.1:5432/messaging refused", "s3cr3t"),
    ("redis://:s3cr3t@127.0.0.1:6379/0", "s3cr3t"),
    ("http://user:p@ss/w0rd@host/x", "w0rd"),
    ("host=127.0.0.1 user=app password='s3 cr3t' dbname=x", "cr3t"),
    ("https://example.test/reset?token=abcdef123&x=1", "abcdef123"),
    ("GET https://example.test/x?sig=AbC123&n=1 failed", "AbC123"),
    ("Not Found: /verify/?c=Qx7z&next=/home", "Qx7z"),
    ("mail to ann.o'hara+x@example.co.uk bounced", "ann.o'hara+x@example.co.uk"),
    ("paid with 4111 1111 1111 1111 today", "1111 1111"),
    ("paid with 5500-0000-0000-0004", "5500"),
    ("card378282246310005x", "378282246310005"),
    ("SSN 078-05-1120 was given", "078-05-1120"),
    ("call +49 30 1234567 or", "1234567"),
    ("call (555) 123-4567", "123-4567"),
    ("call 555-123-4567 now", "123-4567"),
    ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_1", "eyJzdWIiOiIxIn0"),
    ("key sk_live_4eC39HqLyjWDarjtT1zdp7dc used", "4eC39HqLyjWDarjtT1zdp7dc"),
    ("key AKIAIOSFODNN7EXAMPLE used", "IOSFODNN7EXAMPLE"),
    ("ghp_0123456789abcdefghij0123456789abcdef", "0123456789abcdefghij"),
    ("SELECT * FROM person WHERE name = 'O''Brien the spy' AND x = 1", "Brien"),
    ("INSERT INTO t VALUES (E'back\\'slash secret', $$dollar secret$$)", "secret"),
    ("DETAIL:  Key (email, note)=(no mail, but private) already exists.", "private"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "MIIEow"),
    ("X-API-Key: abcdef", "abcdef"),
    ("PGPASSWORD=abcdef psql", "abcdef"),
    ("OPSPORTAL_SECRET_KEY=abcdef", "abcdef"),
    ("userPassword=abcdef", "abcdef"),
    ("password => abcdef", "abcdef"),
    ("password=b'abc def'", "def"),
    ("{'Api-Key': {'value': ['abc', 'def']}, 'n': 1}", "def"),
    ("('X-Auth-Token', 'abcdef')", "abcdef"),
]  # fmt: skip

HARMLESS = [
    "GET /t/lab/replicas/ 200",
    "t/<slug:tier>/replicas/",
    "2026-11-24 09:41:17.123456+00:00 poll took 12.5 ms",
    "lab-replica-2 is 7.4 s behind and catching up",
    "127.0.0.1:54321 refused the connection",
    "the token expired and author=ann did not pass",
    "can't select a tier; the primary's slot isn't active",
    "0/3000060 flushed, 16/B374D848 replayed, 1234567 rows",
    "https://docs.example.test/page#part",
    "is it? yes = true",
    "f4f7d0b4c5f64f31a1d0f7c1c0ffee00",
    "monkey=banana tier=lab key=value",
    'File "/x/django/middleware/csrf.py", line 465, in process_view',
    '  File "my own/token.py", line 3\n    pass',
]


@pytest.mark.parametrize(("text", "secret"), SECRET_IN_TEXT, ids=lambda value: str(value)[:24])
def test_a_secret_inside_free_text_is_masked(text: str, secret: str) -> None:
    clean = mask_text(text)
    assert secret not in clean
    assert MASK in clean or "?" in clean


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert mask_text(text) == text


@pytest.mark.parametrize(
    "key",
    [
        "password", "db_password", "DB_PASSWORD", "X-API-Key", "Authorization", "set-cookie", "userEmail", "accessToken",
        "ssn", "card_number", "phone", "sessionid", "csrfmiddlewaretoken", "client_secret", "private key", "recovery-codes",
        "api.key", "cvv", "PGPASSWORD",
    ],
)  # fmt: skip
def test_whatever_stands_under_a_secret_key_is_masked(key: str) -> None:
    for value in ("x", 1, ["x"], {"y": "x"}, b"x", object()):
        assert mask({"outer": [{key: value}]}) == {"outer": [{key: MASK}]}


PIECES = st.sampled_from(
    ["eyJhbGciOi", "sk_live_abc", "ghp_", "xoxb-1", "AKIA0123456789AB", "4111111111111111", "4111-1111.1111-1111", "078-05-1120", "a", "/",
     ".", "-", "<", ">", "_", " ", "=", ":", "?", "@", "'", '"', "$", "(", "+", "é", "٣", "password", "Bearer abcdef1", "select"]
)  # fmt: skip


@given(text=st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=30))
def test_what_is_passed_over_quickly_is_what_no_shape_would_change(text: str) -> None:
    if not masking._SUSPECT.search(text):
        assert masking._without_shapes(text) == text


def test_an_id_that_looks_like_a_card_by_chance_stays_whole_under_its_name_only() -> None:
    word = "a4111111111111111b00000000000000"
    assert mask({"correlation_id": word, "trace_id": word}) == {"correlation_id": word, "trace_id": word}
    assert MASK in mask({"note": word})["note"]
    for card in ("4111 1111 1111 1111", "4111111111111111"):
        assert mask({"correlation_id": card}) == {"correlation_id": MASK}
    assert mask({"span_id": "4111111111111111x"})["span_id"] != "4111111111111111x"


LOOKALIKES = ["passed", "monkey", "author", "spanning", "mailbox_count", "compass", "keyboard", "status", "tokenizer"]


@pytest.mark.parametrize("key", LOOKALIKES)
def test_keys_that_only_look_like_it_keep_their_values(key: str) -> None:
    assert mask({key: "x"}) == {key: "x"}


def test_of_a_long_traceback_the_end_is_kept_for_what_was_raised_stands_there() -> None:
    frames = "".join(f'  File "/x/module_{n}.py", line {n}, in call\n    call()\n' for n in range(1000))
    head = "Traceback (most recent call last):\n"
    kept = mask_text(end_of_trace(f"{head}{frames}ValueError: password=hunter2"))
    assert kept.endswith("line 999, in call\n    call()\nValueError: password=[masked]")
    assert kept.startswith('[…]\n  File "/x/module_')
    told = mask_text(end_of_trace(f"{head}{frames}ValueError: {'too long ' * 5000}"))
    assert told.startswith('[…]\n  File "/x/module_999.py", line 999, in call\n    call()\nValueError: too long')
    key = "-----BEGIN PRIVATE KEY-----\n" + "MIIEow\n" * 500 + "-----END PRIVATE KEY-----\n"
    for frames_behind in range(200, 320):
        text = f"{head}{frames}ValueError: {key}\n{head}{frames[: 55 * frames_behind]}ValueError: second"
        assert "MIIEow" not in mask_text(end_of_trace(text))


def test_headers_as_pairs_are_masked() -> None:
    assert mask([("Authorization", "abc"), ("Accept", "text/html")]) == [
        ["Authorization", MASK],
        ["Accept", "text/html"],
    ]


def test_a_structure_without_end_comes_to_one() -> None:
    endless: dict[str, Any] = {"password": "x"}
    endless["again"] = endless
    clean = str(mask(endless))
    assert "too deep" in clean


ENDLESS = [
    "a" * 200_000, "a@" * 60_000, "select '" * 20_000, "://" * 50_000, "1 " * 90_000, "a.b-" * 40_000, '"=' * 70_000, "password" * 20_000,
    "Key (" * 30_000, "eyJ" * 50_000, "+1(" * 50_000, "a=\'" * 40_000, "token={" * 20_000,
]  # fmt: skip


@pytest.mark.parametrize("text", ENDLESS, ids=lambda text: text[:8])
def test_no_text_makes_masking_slow(text: str) -> None:
    started = time.process_time()
    mask_text(text)
    assert time.process_time() - started < 0.5


_secret = st.text("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ", min_size=16, max_size=24).map(
    lambda text: f"Zq{text}9x"
)


@dataclass
class Login:
    """Shown by its repr, as any object is."""

    password: str


_carriers = st.sampled_from(
    [
        lambda secret: {"password": secret},
        lambda secret: {"headers": {"Authorization": f"Bearer {secret}"}},
        lambda secret: {"nested": [{"Api-Key": {"value": secret}}]},
        lambda secret: f"token={secret}",
        lambda secret: f"dsn postgresql://u:{secret}@h/db",
        lambda secret: f"Cookie: a=b; sessionid={secret}",
        lambda secret: f'{{"secret": "{secret}"}}',
        lambda secret: f"{secret}@example.com wrote",
        lambda secret: f"UPDATE t SET a = '{secret}' WHERE id = 1",  # noqa: S608
        lambda secret: f"Key (a)=({secret}) already exists.",
        lambda secret: f"sent Bearer {secret}",
        lambda secret: ("X-Auth-Token", secret),
        lambda secret: f"password={secret}".encode(),
        lambda secret: bytearray(f"Authorization: Bearer {secret}", "ascii"),
        lambda secret: f"GET https://host/reset?c={secret}&x=1",
        lambda secret: ValueError(f"bad password: {secret}"),
        lambda secret: ValueError("rejected", {"api_key": secret}),
        Login,
    ]
)
_filler = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="'\"\\$"), max_size=30)


@st.composite
def _places(draw: st.DrawFn) -> tuple[str, Any]:
    """A secret, and some structure with it somewhere inside."""
    secret = draw(_secret)
    value: Any = draw(_carriers)(secret)
    if isinstance(value, str):
        value = f"{draw(_filler)} {value} {draw(_filler)}"
    for _ in range(draw(st.integers(0, 5))):
        wrap = draw(st.sampled_from(["list", "dict", "tuple"]))
        value = {"list": [1, value], "dict": {draw(_filler): value, "n": 1}, "tuple": (value, None, "x")}[wrap]
    return secret, value


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(placed=_places(), event=_filler)
@example(placed=("Zqabc9x", {"a": "password = Zqabc9x"}), event="x")
def test_secrets_anywhere_are_never_found_in_the_output(
    raw_log: io.StringIO, placed: tuple[str, Any], event: str
) -> None:
    secret, value = placed
    raw_log.seek(0)
    raw_log.truncate()
    library = logging.getLogger("some.library")
    structlog.get_logger().info(event or "x", data=value)
    structlog.get_logger().info("x", **{"data " + event: {event: [value]}})
    library.warning("%s: %r", "given", value)
    library.warning("user %s, password %s, %d tries", "ann", secret, 3)
    library.warning("%(who)s sent %(token)s", {"who": "ann", "token": secret})
    try:
        try:
            raise RuntimeError(value)
        except RuntimeError as inner:
            raise OSError(1, "failed", value) from inner
    except OSError:
        structlog.get_logger().exception("failed")
        library.exception("failed with %s", value)
    written = raw_log.getvalue()
    assert secret not in written
    assert len(written.splitlines()) == 7


def test_a_value_is_masked_by_what_the_message_says_before_it() -> None:
    masked = masking.mask_arguments
    assert masked("token: '%s' (%s)", ("abc", "why")) == (MASK, "why")
    assert masked("the secret is %s, 100%% sure, %s", ("abc", 1)) == (MASK, 1)
    assert masked("password for %s reset, %d left", ("ann", 3)) == ("ann", 3)
    assert masked("%s has one %s too few", ("abc",)) == ("abc",)


def test_what_is_masked_costs_microseconds() -> None:
    """A request's line with values never seen before: masking must not be what a request spends its time on."""
    lines = [
        {"event": "request", "route": "t/<slug:tier>/", "path": f"/t/lab/{n}/", "status": 200, "ms": n / 7}
        for n in range(2000)
    ]
    started = time.process_time()
    for line in lines:
        mask(line)
    assert (time.process_time() - started) / len(lines) < 100e-6
