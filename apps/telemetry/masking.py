"""Secrets out of whatever is logged: by the name of a key, and by shape inside free text, at any depth.

Standard library only. What is masked says so (`[masked]`) and nothing of the secret, not even its length, is left. Masking
errs on the safe side: a harmless word behind `token=`, or a number with a card's check digit, is lost too.

The names are in `names`; the shapes in `shapes` and what it puts together: `pairs`, `addresses`, `numbers`, `echoes`.
"""

import re
from collections.abc import Mapping
from typing import Any

from apps.telemetry.echoes import MASK
from apps.telemetry.names import NAMING, VALUES, secret_key
from apps.telemetry.numbers import mask_number
from apps.telemetry.shapes import SUSPECT, without_shapes

CUT = "[…]\n"
FRAME = '  File "'
DEEPEST = 12
LONGEST = 16_384
PLAIN = frozenset({type(None), bool})
# Made by us or by a tracing library; one in six hundred has a card's digits by chance.
IDS = frozenset({"correlation_id", "trace_id", "span_id"})
SEQUENCES = (list, tuple, set, frozenset)
BUFFERS = (bytes, bytearray, memoryview)

_CONVERSION = re.compile(r"%(?:\(\w+\))?[#0\- +]*(?:\d+)?(?:\.\d+)?[hlL]?([diouxXeEfFgGcrsa%])")
_SAID_BEFORE = re.compile(r"([\w.-]{1,80})[\s:='\"(\[{<]{0,6}(?:\b(?:is|was)\s+)?['\"(\[{<]?\Z")
# `password for %s: %s`
_BETWEEN = "'\"()[]{}<> :=is"
_SAID_FOR = re.compile(
    r"([\w.-]{1,80}) (?:for|of|from|by)\b[^%:=]{0,60}%[^%\s:='\")]{1,20}['\")\]>]{0,2}(?: ?[:=]| is| was)\s{0,4}['\"(\[{<]?\Z"
)
# What a command or a header says right before its secret: ["psql", "--password", "…"].
_TELLING = re.compile(
    r"--?[\w.-]{1,80}|(?:(?:set-)?cookie2?|(?:proxy-)?authorization|bearer|basic|digest|requirepass|masterauth|primaryauth|auth)",
    re.IGNORECASE,
)
_ID = re.compile(r"[0-9a-f]{32}|(?=\d*[a-f])[0-9a-f]{16}")


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
    if SUSPECT.search(text):
        text = without_shapes(text)
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


def mask(value: Any, depth: int = 0) -> Any:
    """The value with every secret masked; what is no JSON becomes text first. Cycles and depths end in `[too deep]`."""
    kind = type(value)
    if kind is str:
        return value if value in _clean else mask_text(value)
    if kind is int or kind is float:
        return value if -(10**12) <= value <= 10**12 else mask_number(value)
    if kind in PLAIN:
        return value
    if depth >= DEEPEST:
        return "[too deep]"
    if kind is dict or isinstance(value, Mapping):
        return _mask_mapping(value, depth + 1)
    if isinstance(value, SEQUENCES):
        named = getattr(value, "_fields", None) if isinstance(value, tuple) else None
        return (
            _mask_mapping(dict(zip(named, value, strict=False)), depth + 1)
            if named
            else _mask_sequence(list(value), depth + 1)
        )
    return mask_text(bytes(value).decode("utf-8", "replace") if isinstance(value, BUFFERS) else _said_by(value))


def _said_by(value: object) -> str:
    """An object's text, whatever it does when it is asked for it: a line must not fail whoever logs."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001  any code may stand behind it
        return f"[unprintable {type(value).__name__}]"


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
        if not said or (index and not message[end : conversion.start()].strip(_BETWEEN)):
            said = _SAID_FOR.search(message[max(0, end - 100) : conversion.start()])
        if said and conversion[1] in "rsa" and secret_key(said[1]):
            kept[index] = MASK
        end = conversion.end()
    return tuple(kept)


def _mask_mapping(items: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    """Mostly a line: the same few names again and again, over words, numbers and ids."""
    clean: dict[str, Any] = {}
    for key, value in items.items():
        kind = type(value)
        if not (key in _open or (type(key) is str and _is_open(key))):
            clean[mask_text(_text(key))] = _mask_under(key, value, items, depth)
        elif kind is str:
            known = value in _clean or is_id(key, value)
            clean[key] = value if known else mask_text(value)
        else:
            # In figures, for here every ten nanoseconds are felt: whatever is nearer to zero is no card.
            small = -(10**12) <= value <= 10**12 if kind is int or kind is float else kind in PLAIN
            clean[key] = value if small else mask(value, depth)
    return clean


def is_id(key: str, text: str) -> bool:
    """Whether this is an id of ours or of a trace under its own name, so no secret whatever digits it has."""
    return key in IDS and _ID.fullmatch(text) is not None


def _is_open(key: str) -> bool:
    """Whether a key is shown as it is, and what is under it masked by shape only."""
    if secret_key(key) or key.lower() in VALUES or mask_text(key) != key:
        return False
    if len(key) < 200:
        _remember(key, _open)
    return True


def _mask_under(key: Any, value: Any, items: Mapping[Any, Any], depth: int) -> Any:
    name = _text(key)
    if secret_key(name) or (name.lower() in VALUES and _names_a_secret(items)):
        return None if value is None else MASK
    return mask(value, depth)


def _names_a_secret(items: Mapping[Any, Any]) -> bool:
    """Whether one thing of these says that another is a secret: {"name": "password", "value": "…"}."""
    return any(_text(key).lower() in NAMING and _is_secret_name(said) for key, said in items.items())


def _is_secret_name(said: Any) -> bool:
    return isinstance(said, (str, bytes)) and len(said) < 64 and secret_key(_text(said))


def _text(key: Any) -> str:
    return bytes(key).decode("utf-8", "replace") if isinstance(key, BUFFERS) else str(key)


def _mask_sequence(items: list[Any], depth: int) -> list[Any]:
    # A header or a cookie as a pair: ("Authorization", "…").
    if len(items) == 2 and _is_secret_name(items[0]):
        return [_text(items[0]), MASK]
    clean: list[Any] = []
    told = rest = False
    for item in items:
        clean.append(MASK if (told or rest) and isinstance(item, (str, *BUFFERS)) else mask(item, depth))
        told = type(item) is str and _TELLING.fullmatch(item) is not None and (item[0] != "-" or secret_key(item))
        rest = rest or (told and item.upper() == "AUTH")
    return clean


# Methods, routes, levels come again and again. Only what was found clean is kept: a secret never stays in memory.
_clean: set[str] = set()
# Keys that were found to be no secret's.
_open: set[str] = set()


def _remember(text: str, among: set[str]) -> None:
    if len(among) >= 4096:
        among.clear()
    among.add(text)
