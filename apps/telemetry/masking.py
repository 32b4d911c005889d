"""Secrets out of whatever is logged: by the name of a key, and by shape inside free text, at any depth.

Standard library only. What is masked says so (`[masked]`) and nothing of the secret, not even its length, is left.
Masking is on the safe side: a harmless word beside `token=` is lost too.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

MASK = "[masked]"
DEEPEST = 12
LONGEST = 16_384

# A key is secret when one of these words stands in it: `db_password`, `X-API-Key`, `userEmail`, `set-cookie`.
SECRET_WORDS = (
    "pass(?:word|wd|phrase|code)?s?", "pwd", "secrets?", "(?:access|refresh|auth|bearer|id|csrf)?tokens?",
    "api[-_ ]?keys?", "private[-_ ]?keys?", "authori[sz]ation", "auth", "cookies?", "sessionid", "session[-_ ]?key",
    "csrf(?:middlewaretoken)?", "credentials?", "card(?:[-_ ]?number)?", "pan", "cvv2?", "cvc", "iban", "ssn",
    "(?:social[-_ ]?security|tele)?phone(?:[-_ ]?number)?", "mobile", "e?[-_ ]?mails?", "otp", "totp", "pin",
    "recovery[-_ ]?codes?", "signature[-_ ]?key", "dsn",
)  # fmt: skip
_WORDS = "|".join(SECRET_WORDS)
SECRET_KEY = re.compile(rf"(?:^|[^a-z])(?:{_WORDS})(?:$|[^a-z])", re.IGNORECASE)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

# Inside text. Order matters: an authorization header is taken whole before its parts could be.
_QUOTED = r"'(?:[^'\\]|\\.|'')*'?|\"(?:[^\"\\]|\\.)*\"?"
PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), MASK),
    (re.compile(r"\b((?:set-)?cookie|(?:proxy-)?authorization)\b(['\"]?\s*[:=]\s*)[^\r\n]+", re.IGNORECASE), rf"\1\2{MASK}"),
    (re.compile(r"\b(bearer|basic|digest|token)\s+(?=\S*[\d+/=._~-])[\w+/=.~-]{6,}", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"([a-z][a-z0-9+.-]*://)[^\s/?#'\"]*@", re.IGNORECASE), rf"\1{MASK}@"),
    (
        re.compile(
            rf"(?<![a-z])((?:[\w-]*[-_])?(?:{_WORDS}))(['\"]?\s*(?:[:=]|=>)\s*)(?:{_QUOTED}|[^\s,;&'\"}}\])]+)", re.IGNORECASE
        ),
        rf"\1\2{MASK}",
    ),
    (re.compile(r"\bKey \(([^)]*)\)=\(.*?\)(?= (?:already|is|conflicts)|$)", re.DOTALL), rf"Key (\1)=({MASK})"),
    (re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*)*"), MASK),
    (re.compile(r"\b(?:sk|pk|rk)_(?:live|test)_\w+|\bgh[a-z]_\w{20,}|\bxox[a-z]-[\w-]+|\bAKIA[0-9A-Z]{12,}|\bAIza[\w-]{30,}"), MASK),
    (re.compile(r"[\w.!#$%&*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)*\.\w{2,}"), MASK),
    (re.compile(r"(?<![\d-])\d{3}-\d{2}-\d{4}(?![\d-])"), MASK),
    (re.compile(r"(?<![\w+])\+\d(?:[ ().-]{0,2}\d){6,14}(?!\d)"), MASK),
    (re.compile(r"(?<![\w.-])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\w-])"), MASK),
)  # fmt: skip
_CARD = re.compile(r"(?<!\d)(?:\d[ -]?){12,18}\d(?!\d)")
_SQL = re.compile(r"\b(?:select\b.+\bfrom|insert\s+into|update\b.+\bset|delete\s+from|values\s*\(|where\b.+[=<>])", re.IGNORECASE | re.DOTALL)
_SQL_LITERAL = re.compile(r"\$(\w*)\$.*?\$\1\$|[eEbBxXnN]?'(?:[^'\\]|\\.|'')*(?:'|\Z)", re.DOTALL)
# None of the shapes above can occur without one of these; most strings are spared the rest.
_SUSPECT = re.compile(r"[@:='$+]|\d{3}|eyJ|\b(?:bearer|basic|digest|token|BEGIN|sk_|pk_|rk_|gh[a-z]_|xox|AKIA|AIza)", re.IGNORECASE)


def secret_key(name: str) -> bool:
    """
    Whether a value under this key is masked whatever it is.

    >>> secret_key("db_password"), secret_key("userEmail"), secret_key("passes"), secret_key("monkey")
    (True, True, False, False)
    """
    return SECRET_KEY.search(name) is not None or SECRET_KEY.search(_CAMEL.sub("_", name)) is not None


def mask_text(text: str) -> str:
    """
    Free text without secrets.

    >>> mask_text("login of ann@example.com with password=hunter2 failed")
    'login of [masked] with password=[masked] failed'
    """
    if not _SUSPECT.search(text):
        return text
    if len(text) > LONGEST:
        # Cut at a blank, so that no half of a secret escapes its pattern.
        text = text[:LONGEST].rsplit(None, 1)[0] + " […]"
    for pattern, replacement in PATTERNS:
        text = pattern.sub(replacement, text)
    text = _CARD.sub(lambda found: MASK if luhn(found[0]) else found[0], text)
    return _SQL_LITERAL.sub("?", text) if _SQL.search(text) else text


def mask(value: Any, depth: int = 0) -> Any:
    """The value with every secret masked; what is no JSON becomes text first. Cycles and depths end in `[too deep]`."""
    match value:
        case str():
            return mask_text(str(value))
        case None | bool() | float():
            return value
        case int():
            return MASK if value > 10**12 and luhn(str(value)) else value
        case bytes() | bytearray() | memoryview():
            return mask_text(bytes(value).decode("utf-8", "replace"))
    if depth >= DEEPEST:
        return "[too deep]"
    match value:
        case Mapping():
            return {_name(key): _under(key, item, depth + 1) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return _sequence(value, depth + 1)
    return mask_text(str(value))


def _name(key: Any) -> str:
    return mask_text(key) if isinstance(key, str) else mask_text(str(key))


def _under(key: Any, value: Any, depth: int) -> Any:
    if secret_key(key if isinstance(key, str) else str(key)):
        return None if value is None else MASK
    return mask(value, depth)


def _sequence(values: Iterable[Any], depth: int) -> list[Any]:
    items = list(values)
    # A header or a cookie as a pair: ("Authorization", "…").
    if len(items) == 2 and isinstance(items[0], str) and len(items[0]) < 64 and secret_key(items[0]):
        return [items[0], None if items[1] is None else MASK]
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
