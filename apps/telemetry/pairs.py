r"""Secrets that stand behind their name: `password=x`, `"token": "x"`, `--secret x`, `<pin>x</pin>`, `the password is x`.

Standard library only. Patterns never go back over what they have read, so that no text costs more than its length.
"""

import re

from apps.telemetry.echoes import MASK
from apps.telemetry.names import NAMING, VALUES, secret_key

_NAME = re.compile(
    r"(?<![\w.-])([\w.-]{1,200}+(?: [\w.-]{1,40}+)?)(?:(?:\\*+[\"'])?\s{0,60}+(?:=>|->|[:=]{1,3}+)|\\*+[\"'](,))"
    r"(?:\s{0,4}+(?=\S)|[ \t]{0,60}+)"
)
_VALUE = re.compile(
    r"""
    [|>][-+\d]{0,3}[ \t]*+(?:\r?\n(?:[ \t]++[^\r\n]*+|(?=[\r\n])))++         # a block of YAML
    |[a-zA-Z]{0,2}"(?:[^"\\]|\\(?:.|\Z)|"(?=\w))*+(?:"|\Z)               # a quote before a word is one too many, and ends nothing
    |(\\++)(["']).*?(?:(?<!\\)\1\2(?!\w)|\Z)                               # a text within a text, however deep
    |[a-zA-Z]{0,2}'(?:[^'\\]|\\(?:.|\Z)|''|'(?=\w))*+(?:'|\Z)
    |[^\s,;&'"}\])]++                                                        # bare: a comma belongs to it where no next name follows
     (?:[,;&'"}\])](?=[\w$%!@\#*+~^-])(?![\w.-]{1,80}+\\*+["']?\s?[:=])[^\s,;&'"}\])]*+)*+
    """,
    re.DOTALL | re.VERBOSE,
)
_SCHEME = re.compile(r"[a-zA-Z]{0,2}\\*+[\"']?(?:bearer|basic|digest|token|apikey)\\*+[\"']?,?\s++", re.IGNORECASE)
_NEXT_NAME = re.compile(r"\\*+[\"'][\w.-]{1,80}+\\*+[\"']\s{0,4}+[:=]")
_WORD = re.compile(r"[a-zA-Z]{0,2}\\*+[\"']?([\w.-]{1,80}+)")
# `File "…/csrf.py", line 465`: looks like a pair of a name and its value.
_FRAME = re.compile(r"(?<=\.py)\", line \d")
_BRACKETS = {"{": re.compile(r"[{}]"), "[": re.compile(r"[\[\]]"), "(": re.compile(r"[()]")}

_TAIL = re.compile(r"[\w$%!@#*+~^-][^\s,;&'\"}\])]*+")

_OPTION = re.compile(r"(?<![\w-])--(?!no-)([\w.-]{1,80}+)[ \t]++(?!-)")
_USER = re.compile(r"((?<!\S)(?:-u|--(?:proxy-)?user)[ =]{0,4}+[\"']?[^\s:'\"]{1,80}+:)[^\s'\"]++")
_ELEMENT = re.compile(r"<([a-zA-Z][\w:.-]{0,79}+)(\s[^<>]{0,500}+)?>")
_ATTRIBUTE = re.compile(r"\b(?:name|key)=[\"']?([\w.-]{1,80})")
_SAID = re.compile(
    r"""(\b(?:pass(?:word|wd|phrase|code)|secret|token|api[-_ ]?key|pwd|pin|otp|jwt)s?
    (?:(?:\ (?:for|of)\ [^\s:=]{1,80}+)?\ (?:is|was)(?:\ now)?:?|\ (?:for|of)\ [^\s:=]{1,80}+\s?[:=])\ ++)
    (?!\d++\ (?:bit|byte|char|letter|digit|word|day|hour|min|sec|time|month|year))("[^"\n]*+"?|'[^'\n]*+'?|[^\s,;'"]++)""",
    re.IGNORECASE | re.VERBOSE,
)

_LOGIN = re.compile(r"(\bAUTH2?[\"']?,?[ \t]++[\"']?)(?![<\[])([^\s\"']++)([\"']?)(?:(,?[ \t]++[\"']?)([^\s\"']++))?")
_SETTING = re.compile(
    r"(\b(?:requirepass|masterauth|primaryauth)[\"']?,?[ \t]++(?:to[ \t]++)?[\"']?)(?!(?:is|was|and|or|not|must|has|of|in|on)\b)[^\s\"']++",
    re.IGNORECASE,
)
_SETUSER = re.compile(r"\bSETUSER\b[^\r\n]*+", re.IGNORECASE)
_RULE = re.compile(r"(?<=[\s\"'])([><#!])[^\s\"']++")
_WORDS = ("pass", "secret", "token", "key", "pwd", "pin", "otp", "jwt")


def mask_values(text: str) -> str:
    """
    The value goes when its name is secret, or when a name before it says so.

    >>> mask_values('password = x, user = y'), mask_values('{"name": "password", "value": "x"}')
    ('password = [masked], user = y', '{"name": "password", "value": [masked]}')
    """
    spans: list[tuple[int, int]] = []
    end, named, held = 0, False, 0
    for name in _NAME.finditer(text):
        if name.end() <= end:  # within a value; not where a stray quote made the name a part of it
            continue
        start, word = name.end(), name[1].rpartition(" ")[2].lower()
        if secret_key(name[1]):
            named = _names_the_next(text, name)
            if named or _FRAME.match(text, name.end(1)):
                continue
        elif word in NAMING:
            said = _WORD.match(text, start)
            named = said is not None and secret_key(said[1])
            if not (named and held):
                continue
            start, held = held, 0
        elif word not in VALUES:
            continue
        elif not named:
            held = start
            continue
        named, end = word in NAMING, _end_of_value(text, start)
        spans.append((start, end))
    return _without(text, spans)


def _names_the_next(text: str, name: re.Match[str]) -> bool:
    """Whether this is `"password", "value": …`: a name itself follows the comma, and not the value."""
    return name[2] is not None and _NEXT_NAME.match(text, name.end()) is not None


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    kept, end = [], 0
    for start, stop in sorted(spans):
        if end <= start < stop:
            kept += [text[end:start], MASK]
            end = stop
    return "".join((*kept, text[end:]))


def _end_of_value(text: str, start: int) -> int:
    """
    Where a quoted, a bare, or a bracketed value ends; a bracket that is never closed takes the rest.

    `password= token=x`: nothing or a name stood there; it goes with what stands behind it.
    """
    while (inner := _NAME.match(text, start)) and secret_key(inner[1]):
        start = inner.end()
    scheme = _SCHEME.match(text, start)
    begin = scheme.end() if scheme else start
    opening = text[begin : begin + 1]
    if opening not in _BRACKETS:
        value = _VALUE.match(text, begin)
        return value.end() if value else start
    depth = 0
    for bracket in _BRACKETS[opening].finditer(text, begin):
        depth += 1 if bracket[0] == opening else -1
        if not depth:
            tail = _TAIL.match(text, bracket.end())
            return tail.end() if tail else bracket.end()
    return len(text)


def mask_options(text: str) -> str:
    """
    Options of commands.

    >>> mask_options("psql --password x --port 5432")
    'psql --password [masked] --port 5432'
    """
    spans: list[tuple[int, int]] = []
    end = 0
    for option in _OPTION.finditer(text):
        if option.start() >= end and secret_key(option[1]):
            end = _end_of_value(text, option.end())
            spans.append((option.end(), end))
    return _USER.sub(rf"\1{MASK}", _without(text, spans))


def mask_elements(text: str) -> str:
    """
    What an element with a secret's name holds; one that is never closed is no element but a placeholder.

    >>> mask_elements("<password>x</password>"), mask_elements("/reset/<str:token>/")
    ('<password>[masked]</password>', '/reset/<str:token>/')
    """
    spans: list[tuple[int, int]] = []
    end = 0
    for tag in _ELEMENT.finditer(text):
        if tag.start() < end:
            continue
        named = _ATTRIBUTE.search(tag[2]) if tag[2] else None
        if secret_key(tag[1]) or (named and secret_key(named[1])):
            end = text.find(f"</{tag[1]}", tag.end())
            if end < 0:
                end = tag.end()
            if end > tag.end():
                spans.append((tag.end(), end))
    return _without(text, spans)


def said_to_be(text: str) -> bool:
    """Whether `mask_said` has anything to look for."""
    if " is " in text or " was " in text or " for " in text or " of " in text:
        lower = text.lower()
        return any(word in lower for word in _WORDS)
    return False


def mask_said(text: str) -> str:
    """
    Prose: not where a word follows, as in "the password is wrong".

    >>> mask_said("the password is hunter2"), mask_said("the token is expired"), mask_said("token for ann: expired")
    ('the password is [masked]', 'the token is expired', 'token for ann: expired')
    """
    return _SAID.sub(lambda found: found[1] + MASK if _like_a_secret(found[2]) else found[0], text)


def _like_a_secret(said: str) -> bool:
    if said[0] in "\"'":
        return True
    if any(char.isdigit() for char in said):
        return len(said) >= 4
    return len(said) >= 8 and said.isalpha() and not (said.islower() or said.isupper() or said.istitle())


def of_redis(text: str) -> bool:
    """Whether `mask_redis` has anything to look for."""
    return "AUTH" in text or "requirepass" in text or "masterauth" in text or "primaryauth" in text or "SETUSER" in text


def mask_redis(text: str) -> str:
    """
    Commands of Redis that have a password in them.

    >>> mask_redis("AUTH default x1"), mask_redis("CONFIG SET requirepass x"), mask_redis("AUTH failed")
    ('AUTH [masked] [masked]', 'CONFIG SET requirepass [masked]', 'AUTH failed')
    """
    text = _LOGIN.sub(_mask_login, text)
    text = _SETTING.sub(rf"\1{MASK}", text)
    return _SETUSER.sub(lambda line: _RULE.sub(rf"\1{MASK}", line[0]), text)


def _mask_login(found: re.Match[str]) -> str:
    first, second = found[2].strip("\"'.,:;"), (found[5] or "").strip("\"'.,:;")
    words = [word for word in (first, second) if word]
    if first != "default" and all(word.isalpha() and word.islower() for word in words):
        return found[0]
    return f"{found[1]}{MASK}{found[3]}{found[4]}{MASK}" if second else f"{found[1]}{MASK}{found[3]}"
