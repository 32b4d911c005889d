"""Characters that act instead of being read: what could forge a line, move a cursor or turn text round. Shown, not obeyed."""

import re
from typing import Any

# C0 and C1 controls but tab and newline, bidirectional marks and overrides, line and paragraph separators.
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def spelled_out(text: str) -> str:
    r"""
    The text with every such character as its escape.

    >>> spelled_out("a\x1b[2Jb\u202e")
    'a\\u001b[2Jb\\u202e'
    """
    return CONTROL.sub(_escape, text)


def spelled_out_in(value: Any) -> Any:
    """The same anywhere in a value of JSON's types; a line break is spelled out too."""
    match value:
        case str():
            return spelled_out(value).replace("\n", "\\n")
        case dict():
            return {spelled_out_in(key): spelled_out_in(item) for key, item in value.items()}
        case list():
            return [spelled_out_in(item) for item in value]
    return value


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
