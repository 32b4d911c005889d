"""What a query is, whatever its values: the normalised text, its fingerprint, and who sent it last."""

import re
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

LONGEST = 10_000  # characters that are looked at; what only differs behind them is one statement
SHOWN = 2_000
KNOWN = 4_096

# Quoted identifiers are read so that what is in them is taken for nothing else; every possessive, so that no text is read twice.
# Whether a backslash escapes in a plain literal depends on the server: where it stands before a quote, what follows may be within the
# literal or not, and all of it is taken; but ESCAPE '\' can be one thing only. Likewise of a comment within a comment.
_PART = re.compile(
    r"""
    (?P<identifier>"(?:[^"]|"")*+(?:"|\Z))
  | (?P<gap>(?:\s++|--[^\n]*+|/\*(?:[^*/]|\*(?!/)|/(?!\*))*+(?:\*/|/\*.*|\Z))++)
  | (?P<value>(?<![\w$])[eE]'(?:[^'\\]|\\(?:.|\Z)|'')*+(?:'|\Z)|(?<=[eE][sS][cC][aA][pP][eE]\s)'\\'(?!')
    |(?<![\w$])[bBxXnN]?'(?:[^'\\]|\\[^']|'')*+(?:'|\\'.*|\\?\Z)|(?<![\w$])\$(?P<tag>\w*+)\$.*?(?:\$(?P=tag)\$|\Z)
    |%s|%\(\w{1,60}\)s|\$\d{1,6}|(?<![\w.$])-?(?:\d[\d_]*+(?:\.[\d_]*+)?|\.\d[\d_]*+)(?:[eE][+-]?\d++)?(?![\w.])
    |(?<![\w.$])-?0[xXoObB][\da-fA-F_]++(?![\w.])|(?<![\w:]):[a-zA-Z_]\w*+)
    """,
    re.VERBOSE | re.DOTALL,
)
_LIST = re.compile(r"\(\s?\?(?:\s?,\s?\?)++\s?\)")
_ROWS = re.compile(r"(\((?:\?|\?, …)\))(?:\s?,\s?\((?:\?|\?, …)\))++")
_SAVEPOINT = re.compile(r"\s*+((?:RELEASE |ROLLBACK TO )?SAVEPOINT)\b", re.IGNORECASE)
_TRANSACTION = re.compile(r"\s*+(?:SAVEPOINT|RELEASE|ROLLBACK|BEGIN|COMMIT|SET|SHOW)\b", re.IGNORECASE)


def normalised(sql: str) -> str:
    """
    The statement without values, comments and line breaks; lists of values and rows count as one whatever their length.

    >>> normalised('SELECT "a1" FROM t WHERE id IN (1, 2,\\n 3) AND name = \\'O\\'\\'Brien\\' -- why')
    'SELECT "a1" FROM t WHERE id IN (?, …) AND name = ?'
    >>> normalised("INSERT INTO t2 (a, b) VALUES (%s, %s), (%s, %s)"), normalised('SAVEPOINT "s1_x3"')
    ('INSERT INTO t2 (a, b) VALUES (?, …)', 'SAVEPOINT ?')
    """
    if found := _SAVEPOINT.match(sql):
        return f"{found[1].upper()} ?"
    text = _PART.sub(_plain, sql[:LONGEST]).strip()
    return _ROWS.sub(r"\1", _LIST.sub("(?, …)", text))


def _plain(part: re.Match[str]) -> str:
    match part.lastgroup:
        case "identifier":
            return part[0]
        case "value" | "tag":
            return "?"
    return " "


def written(text: str) -> str:
    """The text as it can be written anywhere: half a surrogate pair, which no server takes and no JSON holds, is replaced."""
    return text.encode("utf-8", "replace").decode()


def fingerprint_of(text: str) -> str:
    """16 hexadecimal digits for a normalised text; the same in every process and after every restart."""
    return blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


class Statement:
    """One normalised statement of this process. `caller`: who sent it last, as far as known; `due`: it is to be looked up anew."""

    __slots__ = ("caller", "due", "fingerprint", "repeatable", "text")

    def __init__(self, text: str) -> None:
        self.text = written(text[:SHOWN])
        self.fingerprint = fingerprint_of(text)
        self.caller = ""
        self.due = True
        # Steps of a transaction come again and again by nature.
        self.repeatable = not _TRANSACTION.match(text)


class Catalogue:
    """Statements by the text that was sent, so that a text is normalised once. Bounded; threads share one."""

    def __init__(self) -> None:
        self.by_text: dict[str, Statement] = {}
        self._by_fingerprint: dict[str, Statement] = {}

    def __iter__(self) -> Iterator[Statement]:
        return iter(list(self._by_fingerprint.values()))

    def statement(self, sql: Any, connection: Any = None) -> Statement:
        """The statement of a text, or of a psycopg `sql.Composable` or bytes that Django was given instead of one."""
        text = sql if type(sql) is str else _text_of(sql, connection)
        key = text if len(text) <= LONGEST else text[:LONGEST]
        found = self.by_text.get(key)
        if found is None:
            found = self._add(key)
        return found

    def _add(self, key: str) -> Statement:
        text = normalised(key)
        statement = Statement(text)
        # setdefault: two threads that meet the same new text agree on one object.
        statement = self._by_fingerprint.setdefault(statement.fingerprint, statement)
        if len(self._by_fingerprint) > KNOWN:
            self._by_fingerprint.clear()
            self.by_text.clear()
        if len(self.by_text) >= KNOWN:  # values written into the text: none will come again
            self.by_text.clear()
        self.by_text[key] = statement
        return statement


def _text_of(sql: Any, connection: Any) -> str:
    if isinstance(sql, bytes):
        return sql.decode("utf-8", "replace")
    compose = getattr(sql, "as_string", None)
    return str(compose(connection)) if compose else str(sql)
