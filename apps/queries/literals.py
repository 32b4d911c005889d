"""Statements without what somebody wrote into them: texts, numbers and comments may be secrets or personal, names are kept.

A text may be cut anywhere, and whether a backslash escapes depends on a setting of the session that cannot be seen here: what cannot be
told apart is left out to the end.
"""

import re
from collections.abc import Iterator

from apps.metrics.kernel import Rows

LEFT_OUT = "\N{HORIZONTAL ELLIPSIS}"
_TOKEN = re.compile(
    r"""
    (?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))
  | (?P<name>(?:[uU]&)?"(?:[^"]|"")*(?:"|\Z))
  | (?P<escaped>[eE]'(?:[^'\\]|\\.|'')*(?:'|\Z))
  | (?P<text>(?:[uU]&|[bBxXnN])?'(?:[^']|'')*(?:'|\Z))
  | (?P<dollar>\$\$.*?(?:\$\$|\Z)|\$(?P<tag>[^\W\d]\w*)\$.*?(?:\$(?P=tag)\$|\Z))
  | (?P<parameter>\$\d+)
  | (?P<number>(?:\d[\w]*\.?[\w]*|\.\d\w*)(?:(?<=[eE])[+-]\d+)?)
  | (?P<word>[^\W\d][\w$]*)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_TEXTS = {"escaped", "text", "dollar"}
_PLANNED = re.compile(r"[\s(]*(select|insert|update|delete|merge|with|values|table)\b", re.IGNORECASE)


def masked(text: str, numbers: bool = True) -> str:
    """The statement without texts and comments and, unless told otherwise, without numbers.

    >>> masked("SELECT * FROM t WHERE a = 'it''s' AND b1 = 12.5 -- for Ann")
    "SELECT * FROM t WHERE a = '…' AND b1 = … "
    >>> masked("SELECT $1::numeric(10,2), E'it\\\\'s'", numbers=False)
    "SELECT $1::numeric(10,2), '…'"
    """
    return "".join(_masked(text, numbers))


def _masked(text: str, numbers: bool) -> Iterator[str]:
    for match in _TOKEN.finditer(text):
        kind, token = match.lastgroup, match[0]
        kind = "dollar" if kind == "tag" else kind
        if kind in _TEXTS:
            yield f"'{LEFT_OUT}'"
            if kind == "text" and "\\'" in token:  # ended here, or goes on where the session escapes with backslashes
                yield LEFT_OUT
                return
        elif kind == "comment":
            if "/*" in token[2:]:  # comments may lie within comments
                yield LEFT_OUT
                return
        elif kind == "number" and numbers:
            yield LEFT_OUT
        else:
            yield token


def normalised(text: str) -> str:
    """A text of pg_stat_statements: the server has replaced constants by $1, $2 … in what it plans, but not in utility statements."""
    plain = masked(text, numbers=False).strip()
    return plain if _PLANNED.match(plain) else masked(plain)


def without_literals(rows: Rows) -> Rows:
    """Rows of sessions as they are kept: their `query` masked."""
    return tuple({**row, "query": row["query"] and masked(row["query"])} for row in rows)


def with_normalised_texts(rows: Rows) -> Rows:
    """Rows of statements as they are kept."""
    return tuple({**row, "query": row["query"] and normalised(row["query"])} for row in rows)
