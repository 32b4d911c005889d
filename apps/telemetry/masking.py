"""Secrets out of whatever is logged: by the name of a key, and by shape inside free text, at any depth.

Standard library only. What is masked says so (`[masked]`) and nothing of the secret, not even its length, is left. Masking
errs on the safe side: a harmless word behind `token=`, or a number with a card's check digit, is lost too.

Each shape has a cheap test before its pattern, and patterns never go back over what they have read (possessive
quantifiers, look-behinds): a line costs microseconds, and no text that somebody sends can make it cost more than its length.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

MASK = "[masked]"
CUT = "[…]\n"
FRAME = '  File "'
DEEPEST = 12
LONGEST = 16_384
CARD_SIZED = 10**12
PLAIN = frozenset({type(None), bool, float})
# Made by us or by a tracing library; one in six hundred has a card's digits by chance.
IDS = frozenset({"correlation_id", "trace_id", "span_id"})
SEQUENCES = (list, tuple, set, frozenset)
BUFFERS = (bytes, bytearray, memoryview)

# A key is secret when one of these words ends in it, whatever stands before: `pgpassword`, `X-API-Key`, `clientsecret` …
ANYWHERE = (
    r"pass(?:word|wd|phrase|code)s?", r"secrets?", r"tokens?", r"(?:api|private|secret|signature|session|encryption)[-_ .]?keys?",
    r"authori[sz]ation", r"cookies?", r"credentials?",
)  # fmt: skip
# … or when one of these is a word of it: `db_pwd`, `userEmail`, `card number`.
WORDS = (
    r"pass(?:es)?", r"pwd", r"auth", r"session[-_ .]?id", r"csrf(?:middlewaretoken)?", r"card(?:[-_ .]?(?:number|no))?", r"pan", r"cvv2?",
    r"cvc", r"iban", r"ssn", r"social[-_ .]?security(?:[-_ .]?number)?", r"(?:tele)?phone(?:[-_ .]?(?:number|no))?", r"mobile",
    r"e?[-_ .]?mails?", r"otp", r"totp", r"recovery[-_ .]?codes?", r"dsn",
)  # fmt: skip
_SECRET_KEY = re.compile(rf"(?:{'|'.join(ANYWHERE)}|(?<![a-z])(?:{'|'.join(WORDS)}))(?![a-z])", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END|\Z)[A-Z -]*+", re.DOTALL)
_HEADER = re.compile(r"\b((?:set-)?cookie2?|(?:proxy-)?authorization)\b(['\"]?\s*[:=]\s*)[^\r\n]+", re.IGNORECASE)
_SCHEME = re.compile(r"\b(bearer|basic|digest|token|apikey)\s+([\w+/=.~:-]{6,}+)", re.IGNORECASE)
_USERINFO = re.compile(r"://[^\s'\"<>]{0,1000}@")
_QUERY = re.compile(r"(?<=[\w/.~%-])\?[^\s?#'\"<>=]*+=[^\s?#'\"<>]*+")
_QUERY_VALUE = re.compile(r"=[^&;]*+")
_CONVERSION = re.compile(r"%(?:\(\w+\))?[#0\- +]*(?:\d+)?(?:\.\d+)?[hlL]?([diouxXeEfFgGcrsa%])")
_SAID_BEFORE = re.compile(r"([\w.-]{1,80})[\s:='\"(\[{<]{0,6}(?:\b(?:is|was)\s+)?['\"(\[{<]?\Z")
_NAME = re.compile(r"(?<![\w.-])([\w.-]{1,80}+(?: [\w.-]{1,40}+)?)(?:(?:\\?[\"'])?\s{0,4}(?:=>|[:=])|[\"'],)\s{0,4}")
_VALUE = re.compile(
    r"""[a-zA-Z]{0,2}\\?"(?:[^"\\]|\\[^"])*+(?:\\?"|\Z)|[a-zA-Z]{0,2}'(?:[^'\\]|\\.|'')*+(?:'|\Z)|[^\s,;&'"}\])]++""",
    re.DOTALL,
)
# `File "…/csrf.py", line 465`: looks like a pair of a name and its value.
_FRAME = re.compile(r"(?<=\.py)\", line \d")
_OPENING = ("{", "[", "(")
_BRACKET = re.compile(r"[{}\[\]()]")
_KEY_DETAIL = re.compile(r"(Key \([^)]*\)=)\(.*?\)(?= (?:already|is|conflicts)|$)", re.DOTALL)
_TOKEN = re.compile(
    r"eyJ[\w-]{8,}+(?:\.[\w-]*+)*|\b(?:[spr]k_(?:live|test)_\w++|gh[a-z]_\w{20,}|xox[a-z]-[\w-]++|AKIA\w{12,}|AIza[\w-]{30,})"
)
_TOKEN_STARTS = ("eyJ", "k_live_", "k_test_", "gh", "xox", "AKIA", "AIza")
_LOCAL = r"[\w.!#$%&*+/=?^`{|}~-]"
_EMAIL = re.compile(rf"(?<!{_LOCAL}){_LOCAL}++@[\w.-]+\.\w{{2,}}")
_DIGITS = re.compile(r"\+?[(\d][\d ().-]{6,}\d")
_SSN = re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])")
_PHONE = re.compile(r"\+\d(?:[ ().-]{0,2}\d){6,14}(?!\d)|(?<![\d.-])\(?\d{3}\)?[ .-]{1,2}\d{3}[ .-]\d{4}(?![\d-])")
_CARD = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
_ID = re.compile(r"[0-9a-f]{32}|(?=\d*[a-f])[0-9a-f]{16}")
# No shape is in a text in which this finds nothing: a word or a path without a long number or the beginning of a token.
_SUSPECT = re.compile(r"[^\w./<>-]|\d[\d.-]{6,}\d|eyJ|k_live_|k_test_|gh|xox|AKIA|AIza")
_SQL = re.compile(r"\b(?:select|insert|update|delete|values|where|set|in)\b", re.IGNORECASE)
_LITERAL = re.compile(r"(?<!\w)[eEbBxXnN]?'(?:[^'\\]|\\.|'')*+(?:'|\Z)|\$(\w{0,20})\$.*?(?:\$\1\$|\Z)", re.DOTALL)


@lru_cache(maxsize=4096)
def secret_key(name: str) -> bool:
    """
    Whether a value under this key is masked whatever it is.

    >>> secret_key("db_password"), secret_key("userEmail"), secret_key("passing"), secret_key("monkey")
    (True, True, False, False)
    """
    return _SECRET_KEY.search(name) is not None or _SECRET_KEY.search(_CAMEL.sub("_", name)) is not None


def mask_text(text: str) -> str:
    """
    Free text without secrets.

    >>> mask_text("login of ann@example.com with password=hunter2 failed")
    'login of [masked] with password=[masked] failed'
    """
    if text in _clean:
        return text
    original = text
    if len(text) > LONGEST:
        # Cut at a blank, so that no half of a secret escapes its pattern.
        text = text[:LONGEST].rpartition(" ")[0] + " […]"
    if _SUSPECT.search(text):
        text = _without_shapes(text)
    if text is original and len(text) < 200:
        _remember(text, _clean)
    return text


def end_of_trace(trace: str) -> str:
    """
    The end of a traceback that is too long to be shown whole, for what was raised stands there; masked afterwards like any text.

    It begins with a frame, so that no half of a secret is left without what tells that it is one.
    """
    if len(trace) <= LONGEST:
        return trace
    start = trace.find(FRAME, len(trace) - LONGEST + len(CUT))
    if start < 0:  # what was raised is longer than all that is shown: its beginning
        start = trace.rfind(FRAME)
    return trace if start < 0 else f"{CUT}{trace[start:]}"


def _without_shapes(text: str) -> str:
    for present, masked in _SHAPES:
        if present(text):
            text = masked(text)
    return text


def mask(value: Any, depth: int = 0) -> Any:
    """The value with every secret masked; what is no JSON becomes text first. Cycles and depths end in `[too deep]`."""
    kind = type(value)
    if kind is str:
        return value if value in _clean else mask_text(value)
    if kind is int:
        return MASK if value > CARD_SIZED and luhn(str(value)) else value
    if kind in PLAIN:
        return value
    if depth >= DEEPEST:
        return "[too deep]"
    if kind is dict or isinstance(value, Mapping):
        return _mask_mapping(value, depth + 1)
    if isinstance(value, SEQUENCES):
        return _mask_sequence(list(value), depth + 1)
    return mask_text(bytes(value).decode("utf-8", "replace") if isinstance(value, BUFFERS) else str(value))


def mask_arguments(message: str, arguments: Any) -> Any:
    """
    The arguments of a `logging` message, without those that it names a secret.

    >>> mask_arguments("user %s, password %s, %d tries", ("ann", "hunter2", 3))
    ('ann', '[masked]', 3)
    >>> mask_arguments("%(user)s with %(token)s", {"user": "ann", "token": "abc"})
    {'user': 'ann', 'token': '[masked]'}
    """
    if isinstance(arguments, Mapping):
        return {key: MASK if secret_key(str(key)) else value for key, value in arguments.items()}
    if not isinstance(arguments, tuple) or "*" in message:
        return arguments
    found, end, kept = [c for c in _CONVERSION.finditer(message) if c[1] != "%"], 0, list(arguments)
    for index, conversion in enumerate(found[: len(kept)]):
        said = _SAID_BEFORE.search(message[max(end, conversion.start() - 100) : conversion.start()])
        if said and conversion[1] in "rsa" and secret_key(said[1]):
            kept[index] = MASK
        end = conversion.end()
    return tuple(kept)


def _mask_mapping(items: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    """Mostly a line: the same few names again and again, over words, numbers and ids."""
    clean: dict[str, Any] = {}
    for key, value in items.items():
        kind = type(value)
        if not (type(key) is str and (key in _open or _is_open(key))):
            clean[mask_text(str(key))] = _mask_under(key, value, depth)
        elif kind is str:
            known = value in _clean or is_id(key, value)
            clean[key] = value if known else mask_text(value)
        else:
            small = kind in PLAIN or (kind is int and value <= CARD_SIZED)
            clean[key] = value if small else mask(value, depth)
    return clean


def is_id(key: str, text: str) -> bool:
    """Whether this is an id of ours or of a trace under its own name, so no secret whatever digits it has."""
    return key in IDS and _ID.fullmatch(text) is not None


def _is_open(key: str) -> bool:
    """Whether a key is shown as it is, and what is under it masked by shape only."""
    if secret_key(key) or mask_text(key) != key:
        return False
    if len(key) < 200:
        _remember(key, _open)
    return True


def _mask_under(key: Any, value: Any, depth: int) -> Any:
    if secret_key(key if type(key) is str else str(key)):
        return None if value is None else MASK
    return mask(value, depth)


def _mask_sequence(items: list[Any], depth: int) -> list[Any]:
    # A header or a cookie as a pair: ("Authorization", "…").
    if len(items) == 2 and isinstance(items[0], str) and len(items[0]) < 64 and secret_key(items[0]):
        return [items[0], MASK]
    return [mask(item, depth) for item in items]


def luhn(digits: str) -> bool:
    """
    Whether digits (blanks and hyphens between them allowed) have the check digit of a payment card.

    >>> luhn("4111 1111 1111 1111"), luhn("4111111111111112")
    (True, False)
    """
    numbers = [int(char) for char in reversed(digits) if char.isdigit()]
    doubled = (number * 2 - 9 if number > 4 else number * 2 for number in numbers[1::2])
    return 13 <= len(numbers) <= 19 and (sum(numbers[::2]) + sum(doubled)) % 10 == 0


def _mask_values(text: str) -> str:
    """`name=value`, `name: value`, `"name": "value"`: the value goes when the name is secret."""
    kept, end = [], 0
    for name in _NAME.finditer(text):
        if name.start() < end or not secret_key(name[1]) or _FRAME.match(text, name.end(1)):
            continue
        stop = _end_of_value(text, name.end())
        if stop > name.end():
            kept += [text[end : name.end()], MASK]
            end = stop
    return "".join((*kept, text[end:])) if kept else text


def _end_of_value(text: str, start: int) -> int:
    """Where a quoted, a bare, or a bracketed value ends; a bracket that is never closed takes the rest."""
    if text[start : start + 1] not in _OPENING:
        value = _VALUE.match(text, start)
        return value.end() if value else start
    depth = 0
    for bracket in _BRACKET.finditer(text, start):
        depth += 1 if bracket[0] in _OPENING else -1
        if not depth:
            return bracket.end()
    return len(text)


def _mask_digits(text: str) -> str:
    return _DIGITS.sub(lambda run: _mask_numbers(run[0]), text)


def _mask_numbers(run: str) -> str:
    run = _CARD.sub(lambda found: MASK if luhn(found[0]) else found[0], run)
    return _PHONE.sub(MASK, _SSN.sub(MASK, run))


def _mask_schemes(text: str) -> str:
    """`Bearer …`: not where an English word follows, as in "token expired"."""
    return _SCHEME.sub(
        lambda found: found[0] if found[2].isalpha() and found[2].islower() else f"{found[1]} {MASK}", text
    )


def _mask_queries(text: str) -> str:
    """`/reset?code=abc&next=/x`: names stay, values go; what a value is good for cannot be seen from its name."""
    return _QUERY.sub(lambda query: _QUERY_VALUE.sub(f"={MASK}", query[0]), text)


def _replace(pattern: re.Pattern[str], replacement: str) -> Callable[[str], str]:
    return lambda text: pattern.sub(replacement, text)


# What must be in a text for a shape to be there at all, and what then takes it out; a header goes whole before its parts could.
_SHAPES: tuple[tuple[Callable[[str], object], Callable[[str], str]], ...] = (
    (lambda text: "PRIVATE KEY" in text, _replace(_PRIVATE_KEY, MASK)),
    (lambda text: ("'" in text or "$" in text) and _SQL.search(text), _replace(_LITERAL, "?")),
    (lambda text: ":" in text or "=" in text, _replace(_HEADER, rf"\1\2{MASK}")),
    (lambda text: " " in text, _mask_schemes),
    (lambda text: "://" in text and "@" in text, _replace(_USERINFO, rf"://{MASK}@")),
    (lambda text: "?" in text and "=" in text, _mask_queries),
    (lambda text: ":" in text or "=" in text or "'," in text or '",' in text, _mask_values),
    (lambda text: "=(" in text, _replace(_KEY_DETAIL, rf"\1({MASK})")),
    (lambda text: any(start in text for start in _TOKEN_STARTS), _replace(_TOKEN, MASK)),
    (lambda text: "@" in text, _replace(_EMAIL, MASK)),
    (_DIGITS.search, _mask_digits),
)

# Methods, routes, levels come again and again. Only what was found clean is kept: a secret never stays in memory.
_clean: set[str] = set()
# Keys that were found to be no secret's.
_open: set[str] = set()


def _remember(text: str, among: set[str]) -> None:
    if len(among) >= 4096:
        among.clear()
    among.add(text)
