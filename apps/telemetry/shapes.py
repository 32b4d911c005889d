"""Secrets by their shape inside free text: each shape with a cheap test before its pattern.

Standard library only. Patterns never go back over what they have read (possessive quantifiers, look-behinds): a line costs
microseconds, and no text that somebody sends can make it cost more than its length.
"""

import re
from collections.abc import Callable
from urllib.parse import unquote

from apps.telemetry.addresses import mask_queries, mask_userinfo, mask_webhooks
from apps.telemetry.echoes import MASK, without_echoes
from apps.telemetry.numbers import DIGITS, mask_digits
from apps.telemetry.pairs import mask_elements, mask_options, mask_redis, mask_said, mask_values, of_redis, said_to_be

_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END|\Z)[A-Z -]*+", re.DOTALL)
_HEADER = re.compile(r"\b((?:set-)?cookie2?|(?:proxy-)?authorization)\b(['\"]?\s*[:=]\s*)[^\r\n]+", re.IGNORECASE)
_SCHEME = re.compile(r"\b(bearer|basic|digest|token|apikey)\s+([\w+/=.~:-]{6,}+)", re.IGNORECASE)
_TOKEN = re.compile(
    r"eyJ[\w-]{8,}+(?:\.[\w-]*+)*|\b(?:[spr]k_(?:live|test)_\w++|gh[a-z]_\w{20,}|xox[a-z]-[\w-]++|A[KS]IA\w{12,}|AIza[\w-]{30,}"
    r"|glpat-[\w-]{10,}+|github_pat_\w{20,}+|npm_\w{20,}+|sk-[\w-]{16,}+|whsec_[\w+/=-]{10,}+)"
)
# The beginnings of tokens, each looked for by its last and rarest letter.
_STARTS = r"(?<=gh)|(?<=eyJ|sk-|xox)|(?<=npm_|pat_)|(?<=glpat-|whsec_)|(?<=k_)(?:live|test)_|(?<=A)(?:[KS]IA|Iza)"
_TOKEN_START = re.compile(rf"[hxJA_-](?:{_STARTS})")
_LOCAL = r"[\w.!#$%&*+/=?^`{|}~-]"
_EMAIL = re.compile(rf"(?<!{_LOCAL}){_LOCAL}++@[\w.-]+\.\w{{2,}}")
# No shape is in a text in which this finds nothing: a word or a path without a long number or the beginning of a token. Most letters
# are passed over by the first set alone.
SUSPECT = re.compile(rf"[^a-gi-wyzB-IK-Z./>](?:(?<=\d)[\d.-]{{6,}}\d|(?<!\d)(?:(?<=[^\w<-])|{_STARTS}|(?<=<)/))")
# Words that prose has too are SQL only with what follows them there.
_SQL = re.compile(
    r"\b(?:(?:select|insert|update|delete|values|where|set|in|having|i?like|merge\s++into|identified\s++by)\b"
    r"|(?:password\s*+|do\s++)[eu&]{0,2}['$]|copy\s++[\w.\"]++\s*+(?:\(|from\b|to\b)|copy\s*+\(|do\s++language\b"
    r"|(?:and|or)\s++[\w.\"]++\s*+[=<>!~]"
    r"|(?:call|execute|notify|prepare)\s++[\w.\"]++\s*+[(,]"
    r"|(?:alter|create|comment\s++on|security\s++label)\s++(?:or\s++replace\s++)?(?:role|user|group|database|server|subscription|function"
    r"|procedure|table|view|materialized|type|domain|policy|trigger|index|rule|foreign|system|extension|column)\b)",
    re.IGNORECASE,
)
_LITERAL = re.compile(
    r"(?<!\w)[eEbBxXnN]?'(?:[^'\\]|\\(?:.|\Z)|'')*+(?:'|(?P<cut>\Z))|\$(\w*+)\$.*?(?:\$\2\$|(?P<open>\Z))",
    re.DOTALL,
)
UNPAIRED = ("cut", "open")
# What ends a literal that began nowhere.
_STRAY = re.compile(r"\w'(?!\w)")
# Told by the word before it, for a stray quote further on the left would take the wrong side of each for the literal.
_SQL_PASSWORD = re.compile(r"(\bpassword\s*+(?:[eu]&?)?)'(?:[^'\\]|\\(?:.|\Z)|'')*+(?:'|\Z)", re.IGNORECASE | re.DOTALL)
# An address, a pair or a text of JSON that was encoded to stand in an address.
_ENCODED = re.compile(r"%(?:25)*+(?:3[ADFadf]|40|26|22|27|5[BDbd]|7[BDbd])")
_RUN = re.compile(r"[^\s'\"<>]++")


def without_shapes(text: str) -> str:
    """
    Text without whatever has a secret's shape.

    >>> without_shapes("login of ann@example.com with password=hunter2 failed")
    'login of [masked] with password=[masked] failed'
    """
    for present, masked in _SHAPES:
        if present(text):
            text = masked(text)
    return _RUN.sub(_without_encoded, text) if "%" in text and _ENCODED.search(text) else text


def _without_encoded(run: re.Match[str]) -> str:
    """A word is decoded only where that uncovers a secret."""
    encoded = decoded = run[0]
    if "%" not in encoded:
        return encoded
    for _ in range(3):
        decoded = unquote(decoded)
    plain = decoded
    for present, masked in _SHAPES:
        if present(plain):
            plain = masked(plain)
    return encoded if plain == decoded else plain


def _mask_schemes(text: str) -> str:
    """`Bearer …`: not where an English word follows, as in "token expired"."""
    return _SCHEME.sub(
        lambda found: found[0] if found[2].isalpha() and found[2].islower() else f"{found[1]} {MASK}", text
    )


def _without_literals(text: str) -> str:
    """
    Where quotes do not pair, what is within and what is outside cannot be told: all behind the first is taken.

    >>> _without_literals("SELECT 'x', 'y'"), _without_literals("it said ' SELECT 'x'")
    ('SELECT ?, ?', 'it said ?')
    """
    text = _SQL_PASSWORD.sub(rf"\1{MASK}", text)
    literals = list(_LITERAL.finditer(text))
    if not literals:
        return text
    plain = _LITERAL.sub("?", text)
    return text[: literals[0].start()] + "?" if literals[-1].lastgroup in UNPAIRED or _STRAY.search(plain) else plain


def _replace(pattern: re.Pattern[str], replacement: str) -> Callable[[str], str]:
    return lambda text: pattern.sub(replacement, text)


# What must be in a text for a shape to be there at all, and what then takes it out; a header goes whole before its parts could.
_SHAPES: tuple[tuple[Callable[[str], object], Callable[[str], str]], ...] = (
    (lambda text: " " in text and ('"' in text or "'" in text or ": " in text or "(" in text), without_echoes),
    (lambda text: "PRIVATE KEY" in text, _replace(_PRIVATE_KEY, MASK)),
    (lambda text: ("'" in text or "$" in text) and _SQL.search(text), _without_literals),
    (lambda text: ":" in text or "=" in text, _replace(_HEADER, rf"\1\2{MASK}")),
    (lambda text: " " in text, _mask_schemes),
    (lambda text: "@" in text and ":" in text, mask_userinfo),
    (lambda text: "?" in text, mask_queries),
    (lambda text: "://" in text, mask_webhooks),
    (lambda text: "</" in text, mask_elements),
    (lambda text: "--" in text or "-u" in text, mask_options),
    (of_redis, mask_redis),
    (said_to_be, mask_said),
    (lambda text: ":" in text or "=" in text or "'," in text or '",' in text or "->" in text, mask_values),
    (_TOKEN_START.search, _replace(_TOKEN, MASK)),
    (lambda text: "@" in text, _replace(_EMAIL, MASK)),
    (DIGITS.search, mask_digits),
)
