"""No secret leaves: by key, by shape, at any depth; and what is harmless stays readable."""

import io
import json
import logging
import time
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
import structlog
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from apps.telemetry import masking, shapes
from apps.telemetry.echoes import MASK
from apps.telemetry.masking import end_of_trace, mask, mask_text

NamedLogin = namedtuple("NamedLogin", "user password")

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
    ("DETAIL:  Key (lower(name::text))=(Ann Smith) already exists.", "Smith"),
    ("Key (who)=(Bob) conflicts with existing key (who)=(Ann Smith).", "Smith"),
    ("Partition key of the failing row contains (name) = (Ann Smith).", "Smith"),
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "MIIEow"),
    ("X-API-Key: abcdef", "abcdef"),
    ("PGPASSWORD=abcdef psql", "abcdef"),
    ("OPSPORTAL_SECRET_KEY=abcdef", "abcdef"),
    ("userPassword=abcdef", "abcdef"),
    ("password => abcdef", "abcdef"),
    ("password=b'abc def'", "def"),
    ("{'Api-Key': {'value': ['abc', 'def']}, 'n': 1}", "def"),
    ("('X-Auth-Token', 'abcdef')", "abcdef"),
    ("ALTER ROLE x PASSWORD 'xsecretx'", "xsecretx"),
    ("' ALTER ROLE x PASSWORD 'xsecretx'", "xsecretx"),
    ("' SELECT 'xsecretx'", "xsecretx"),
    ("'a'b' SELECT 'xsecretx'", "xsecretx"),
    ("password= password = xsecretx", "xsecretx"),
    ("password= the token of ann: xsecretx9", "xsecretx9"),
    ("password= X-API-Key: xsecretx", "xsecretx"),
    ("password='host=x password='xse cretx' dbname=x", "cretx"),
    ("password='('X-Auth-Token', 'xsecretx')", "xsecretx"),
    ("password={'a)': 'b', 'c': 'xsecretx'}", "xsecretx"),
    ("create user x identified by 'xsecretx'", "xsecretx"),
    ("CALL p('xsecretx')", "xsecretx"),
    ("EXECUTE \"p\"('xsecretx')", "xsecretx"),
    ("MERGE INTO t USING x ON a = 'xsecretx'", "xsecretx"),
    ("GROUP BY name HAVING name = 'xsecretx'", "xsecretx"),
    ("COPY (TABLE x) TO PROGRAM 'xsecretx'", "xsecretx"),
    ("DO $$ BEGIN PERFORM 'xsecretx'; END $$", "xsecretx"),
    ("DETAIL:  Failing row contains (1, xsecretx, null).", "xsecretx"),
    ('invalid input syntax for type integer: "xsecretx"', "xsecretx"),
    ('CONTEXT:  COPY t, line 1, column a: "xsecretx"', "xsecretx"),
    ("unknown command 'X', with args beginning with: 'xsecretx' ", "xsecretx"),
    ("Command # 1 (SET a xsecretx) of pipeline caused error: OOM", "xsecretx"),
    ("https://h/(a)?code=xsecretx", "xsecretx"),
    ("https://h/a!?code=xsecretx", "xsecretx"),
    ("https://[::1]?code=xsecretx", "xsecretx"),
    ("?code=xsecretx", "xsecretx"),
    ("GET /x?a='&code=xsecretx HTTP/1.1", "xsecretx"),
    ("GET /x?a=?code=xsecretx", "xsecretx"),
    ("GET https://h/cb?Xsecretx1 failed", "Xsecretx1"),
    ("GET /cb?flag&Xsecretx1&a=b", "Xsecretx1"),
    ("postgres://user:a'xsecretx@h/db", "xsecretx"),
    ("user:xsecretx@host:5432/db refused", "xsecretx"),
    ("password%3Dxsecretx%26x%3D1", "xsecretx"),
    ("password%253Dxsecretx", "xsecretx"),
    ("postgresql%3A%2F%2Fu%3Axsecretx%40h%2Fdb", "xsecretx"),
    ("next=http%3A//h/x%3Ftoken%3Dxsecretx", "xsecretx"),
    (json.dumps(json.dumps(json.dumps({"password": "xsecretx"}))), "xsecretx"),
    (json.dumps({"password": 'a"xsecretx'}), "xsecretx"),
    (repr("{'password': \"x'secretx\"}"), "secretx"),
    ("password      = xsecretx", "xsecretx"),
    ("password:        xsecretx", "xsecretx"),
    ("password == xsecretx", "xsecretx"),
    ("password := xsecretx", "xsecretx"),
    ("password: |\n  one\n  xsecretx\nuser: ann", "xsecretx"),
    ("<password>xsecretx</password>", "xsecretx"),
    ("<soap:Password Type='x'><![CDATA[xsecretx]]></soap:Password>", "xsecretx"),
    ('<param name="password">xsecretx</param>', "xsecretx"),
    ("psql --password xsecretx -h x", "xsecretx"),
    ("AUTH default xsecretx", "xsecretx"),
    ('"AUTH" "xsecretx1"', "xsecretx1"),
    ("CONFIG SET requirepass xsecretx", "xsecretx"),
    ("ACL SETUSER ann on >xsecretx ~*", "xsecretx"),
    ("password=a,xsecretx, user=ann", "xsecretx"),
    ("password=a'x)s;ecretx", "ecretx"),
    ("the password is xsecretx9", "xsecretx9"),
    ("the api key of ann was 'xsecretx'", "xsecretx"),
    ("password for ann: xsecretx9", "xsecretx9"),
    ('{"name": "password", "value": "xsecretx"}', "xsecretx"),
    ('{"value": "xsecretx", "name": "password"}', "xsecretx"),
    ("['authorization', 'Bearer', 'xsecretx']", "xsecretx"),
    ("AccountKey=xsecretx;EndpointSuffix=x", "xsecretx"),
    ("-----BEGIN PGP PRIVATE KEY BLOCK-----\nxsecretx\n-----END PGP PRIVATE KEY BLOCK-----", "xsecretx"),
    ("sent glpat-ABCDEFGHIJKLMNOPQRST to it", "ABCDEFGHIJ"),
    ("github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuv", "ABCDEFG0"),
    ("npm_abcdefghijklmnopqrstuvwxyz0123456789", "abcdefghij"),
    ("sk-proj-abcdefghijklmnopqrstuvwxyz", "abcdefghij"),
    ("whsec_abcdefghijklmnopqrstuv", "abcdefghij"),
    ("ASIAIOSFODNN7EXAMPLE", "IOSFODNN7EXAMPLE"),
    ("https://hooks.slack.com/services/T00000000/B00000000/abcdefghijklmnopqrstuvwx", "abcdefghij"),
    ("DSN=host=x password=xsecretx", "xsecretx"),
    ("password -> xsecretx", "xsecretx"),
    ("password=[a]xsecretx", "xsecretx"),
    ("curl -u ann:xsecretx x", "xsecretx"),
    ("name LIKE 'xsecretx%'", "xsecretx"),
    ("x = 1 AND a = 'xsecretx'", "xsecretx"),
    ("account DE89370400440532013000", "0440532013000"),
    ("account GB29 NWBK 6016 1331 9268 19", "NWBK"),
    ("paid with 4111  1111 1111 1111", "1111 1111"),
    ("paid with 4111.1111.1111.1111", "1111.1111"),
    ("paid with 4111\u00a01111\u00a01111\u00a01111", "1111\u00a01111"),
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
    'SELECT a, "b" FROM t WHERE c = %s AND d IN (%s, %s) ORDER BY token',
    "UPDATE t SET a=?,b=? WHERE c=?",
    "create a ticket, call the DBA, do not execute 'FLUSHALL' and copy 'notes'",
    'duplicate key value violates unique constraint "person_pkey", a primary key',
    "/var/lib/postgresql/15/main/pg_wal/000000010000000000000001 has 16777216 bytes",
    "3f2b8c1e-8f5d-4a1c-9b7e-0d6c5b4a3f21 took 1.5s, 00:12:07, 3 days",
    "00000000-0000-0000-0000-000000000000",
    "logging_collector = on\nunix_socket_directories = '/run/postgresql'",
    '{"correlation_id": "66c1a0c3d27786a18455703045724813"}',
    "trace 4bf92f3577b34da6a3ce929d0e0e4736 at a94a8fe5ccb19ba61c4c0873d391e987982fbbd3",
    "psycopg 3.3.2 on PostgreSQL 15.14 (Debian 15.14-0+deb12u1)",
    "10.0.0.11 10.0.0.12 192.168.100.200 [::1]:6432 lab-primary:5432",
    "1732440077.123456 1732440077123456 1732440077123456789 2026-11-28T16:55:23.017000+00:00",
    "fingerprint 9182736450123456789 of the statement",
    "signature of week 3-4 was given by ann",
    "the password is wrong and the token is expired, the secret was changed",
    "the token is 16 bytes long, the token for ann: expired, a PIN of the playbook is 12",
    "AUTH failed for default: WRONGPASS invalid username-password pair or user is disabled.",
    "ERR AUTH <password> called without any password configured for the default user.",
    "requirepass is not set; psql --no-password --port 5432",
    "t/<str:token>/sign/ and /readyz?polling",
    "100%25 done, /a%20b",
    "celery@host ready, image:tag, 12:30:15, ratio 3:2",
    "task-0123456789, disk-sda1, ASIA, sk-SK, gh, npm_config",
    "DE12 and FR2 are no accounts; AB12 3456 is none",
    'connection to server at "127.0.0.1", port 54321 failed: Connection refused\n\tIs the server running?',
]


@pytest.mark.parametrize(("text", "secret"), SECRET_IN_TEXT, ids=lambda value: str(value)[:24])
def test_a_secret_inside_free_text_is_masked(text: str, secret: str) -> None:
    clean = mask_text(text)
    assert secret not in clean
    assert MASK in clean or "?" in clean


STRAY = st.text("'\"$\\([{<>=:;,?&@%/ \n-.x1E)]}`#", max_size=8)


@given(case=st.sampled_from(SECRET_IN_TEXT), stray=STRAY)
def test_what_stands_before_does_not_uncover_a_secret(case: tuple[str, str], stray: str) -> None:
    text, secret = case
    assert secret not in mask_text(f"{stray} {text}")


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert mask_text(text) == text


@pytest.mark.parametrize(
    "key",
    [
        "password", "db_password", "DB_PASSWORD", "X-API-Key", "Authorization", "set-cookie", "userEmail", "accessToken",
        "ssn", "card_number", "phone", "sessionid", "csrfmiddlewaretoken", "client_secret", "private key", "recovery-codes",
        "api.key", "cvv", "PGPASSWORD", "pin", "jwt", "bearer", "webhook_signature", "hmac", "access_key", "ssh_key", "signingKey",
        "AccountKey", "requirepass", "masterauth",
    ],
)  # fmt: skip
def test_whatever_stands_under_a_secret_key_is_masked(key: str) -> None:
    for value in ("x", 1, ["x"], {"y": "x"}, b"x", object()):
        assert mask({"outer": [{key: value}]}) == {"outer": [{key: MASK}]}


PIECES = st.sampled_from(
    ["eyJhbGciOi", "sk_live_abc", "glpat-", "github_pat_", "npm_", "sk-", "whsec_", "ASIA0123456789AB", "</", "DE89370400440532013000",
     "abcdefghijklmnopqrstuv", "ghp_", "xoxb-1", "AKIA0123456789AB", "4111111111111111", "4111-1111.1111-1111", "078-05-1120", "a", "/",
     ".", "-", "<", ">", "_", " ", "=", ":", "?", "@", "'", '"', "$", "(", "+", "é", "٣", "password", "Bearer abcdef1", "select"]
)  # fmt: skip


@given(text=st.lists(PIECES, max_size=8).map("".join) | st.text(max_size=30))
def test_what_is_passed_over_quickly_is_what_no_shape_would_change(text: str) -> None:
    if not shapes.SUSPECT.search(text):
        assert shapes.without_shapes(text) == text


def test_an_id_that_looks_like_a_card_by_chance_stays_whole_under_its_name_only() -> None:
    word = "a4111111111111111b00000000000000"
    assert mask({"correlation_id": word, "trace_id": word}) == {"correlation_id": word, "trace_id": word}
    assert MASK in mask({"note": word})["note"]
    for card in ("4111 1111 1111 1111", "4111111111111111"):
        assert mask({"correlation_id": card}) == {"correlation_id": MASK}
    assert mask({"span_id": "4111111111111111x"})["span_id"] != "4111111111111111x"


LOOKALIKES = [
    "pinned", "pins_given", "spin", "signature_missing", "primary_key", "foreign_key", "cache_key", "key", "value", "name", "passed",
    "monkey", "author", "spanning", "mailbox_count", "compass", "keyboard", "status", "tokenizer",
]  # fmt: skip


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


@pytest.mark.parametrize(
    "value",
    [
        {"name": "password", "value": "abcdef"},
        {"Value": ["abcdef"], "x": 1, "Key": "db_password"},
        ["authorization", "Bearer", "abcdef"],
        (b"x-api-key", b"abcdef"),
        ["psql", "--password", "abcdef", "-h", "x"],
        ["CONFIG", "SET", "requirepass", "abcdef"],
        ["AUTH", "default", "abcdef"],
        [NamedLogin("ann", "abcdef")],
        {b"password": "abcdef"},
    ],
    ids=str,
)
def test_what_names_a_secret_may_stand_beside_it(value: object) -> None:
    assert "abcdef" not in str(mask(value))
    assert MASK in str(mask(value))


def test_what_is_beside_a_harmless_name_stays() -> None:
    for value in ({"name": "tier", "value": "lab"}, ["psql", "--port", "5432"], {"name": "password", "count": 3}):
        assert mask(value) == value


@pytest.mark.parametrize("card", [4111111111111111, -4111111111111111, 4111111111111111.0, -5500000000000004.0])
def test_a_card_as_a_number_is_masked(card: float) -> None:
    assert mask({"n": card, "m": [card]}) == {"n": MASK, "m": [MASK]}


@pytest.mark.parametrize("number", [1732440077123456, -(2**62), 1e300, 4111111111111111.5, float("inf"), 0, -1.5])
def test_times_and_bytes_as_numbers_stay(number: float) -> None:
    assert mask({"n": number, "m": [number]}) == {"n": number, "m": [number]}


def test_a_structure_without_end_comes_to_one() -> None:
    endless: dict[str, Any] = {"password": "x"}
    endless["again"] = endless
    clean = str(mask(endless))
    assert "too deep" in clean


ENDLESS = [
    "a" * 200_000, "a@" * 60_000, "select '" * 20_000, "://" * 50_000, "1 " * 90_000, "a.b-" * 40_000, '"=' * 70_000, "password" * 20_000,
    "Key (" * 30_000, "eyJ" * 50_000, "+1(" * 50_000, "a=\'" * 40_000, "token={" * 20_000,
    "(" * 90_000, "do " + "'\\" * 8_190, "value=[" * 20_000, "--password (" * 20_000, "<password>" * 20_000, "%3D " * 40_000,
    "%25" * 60_000, "a:" * 50_000 + "@",
    "://" * 50_000 + "@", "?'" * 50_000, "password: |\n " * 10_000, "\\" * 100_000 + "=", "token is " * 20_000, "AUTH " * 20_000,
    "name=password " * 20_000, "SETUSER >" * 20_000, "AB12 3456 " * 20_000, "password" + " " * 100_000, "Failing row contains (" * 9_000,
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


CARRIERS: list[Callable[[str], Any]] = [
    lambda secret: f"ALTER ROLE x PASSWORD '{secret}'",
    lambda secret: f"CALL p('{secret}')",
    lambda secret: f"COPY t FROM '{secret}'",
    lambda secret: f"Failing row contains (1, {secret}, null).",
    lambda secret: f'invalid input syntax for type integer: "{secret}"',
    lambda secret: f"unknown command 'X', with args beginning with: '{secret}'",
    lambda secret: f"https://h/(a)?code={secret}",
    lambda secret: f"GET ?a='&code={secret}",
    lambda secret: f"https://h/cb?{secret}",
    lambda secret: f"postgres://user:a'{secret}@h/db",
    lambda secret: f"user:{secret}@host:5432/db",
    lambda secret: quote(f"password={secret}&x=1"),
    lambda secret: quote(f"postgresql://u:{secret}@h/db", safe=""),
    lambda secret: json.dumps(json.dumps(json.dumps({"password": secret}))),
    lambda secret: f"password      = {secret}",
    lambda secret: f"password := {secret}",
    lambda secret: f"password=a,{secret}",
    lambda secret: f"<password>{secret}</password>",
    lambda secret: f"psql --password {secret} -l",
    lambda secret: f"AUTH default {secret}",
    lambda secret: f"CONFIG SET requirepass {secret}",
    lambda secret: f"the password is {secret}",
    lambda secret: {"name": "password", "value": secret},
    lambda secret: ["authorization", "Bearer", secret],
    lambda secret: ["psql", "--password", secret],
    lambda secret: ["AUTH", "default", secret],
    lambda secret: NamedLogin("ann", secret),
    lambda secret: {"signing_key": [secret]},
    lambda secret: f"AccountKey={secret};EndpointSuffix=x",
    lambda secret: f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n{secret}\n-----END PGP PRIVATE KEY BLOCK-----",
    lambda secret: f"sk-{secret}",
    lambda secret: f"glpat-{secret}",
    lambda secret: f"whsec_{secret}",
    lambda secret: f"https://hooks.slack.com/services/T0/B0/{secret}",
]
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
        *CARRIERS,
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
    library = logging.getLogger("some.package")
    structlog.get_logger().info(event or "x", data=value)
    structlog.get_logger().info("x", **{"data " + event: {event: [value]}})
    library.warning("%s: %r", "given", value)
    library.warning("user %s, password %s, %d tries", "ann", secret, 3)
    library.warning("password for %s: %s", "ann", secret)
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
    assert len(written.splitlines()) == 8


def test_a_value_is_masked_by_what_the_message_says_before_it() -> None:
    masked = masking.mask_arguments
    assert masked("token: '%s' (%s)", ("abc", "why")) == (MASK, "why")
    assert masked("the secret is %s, 100%% sure, %s", ("abc", 1)) == (MASK, 1)
    assert masked("password for %s reset, %d left", ("ann", 3)) == ("ann", 3)
    assert masked("%s has one %s too few", ("abc",)) == ("abc",)
    assert masked("password for %s: %s", ("ann", "abc")) == ("ann", MASK)
    assert masked("api token of user '%s' is '%s'", ("ann", "abc")) == ("ann", MASK)
    assert masked("login of %s with token %s: %s", ("ann", "abc", "refused")) == ("ann", MASK, "refused")


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
