"""What PostgreSQL and Redis repeat in an error of what they were sent: the row that failed, the value that is no number, the command.

Standard library only. Names of relations, constraints and columns stay: they tell what went wrong.
"""

import re
from collections.abc import Callable

MASK = "[masked]"

# Each is bounded by the end of the text, so that one without its own end is read once and not again from each beginning.
_ROW = re.compile(r"(Failing row contains )\(.*?(?:\)\.(?=\\?[\n'\")]|\\n|\Z)|\Z)", re.DOTALL)
_INPUT = re.compile(
    r"""((?:invalid\ input\ (?:syntax|value)\ for|malformed\ \w{1,20}\ literal|field\ value\ out\ of\ range
    |COPY\ \S{1,130},\ line\ \d{1,20})
    [^"\n]{0,160}?:\ )\\?".*?(?:"(?=[\n')]|\\|\Z)|\Z)""",
    re.DOTALL | re.VERBOSE,
)
_RANGE = re.compile(r"(\bvalue )\\?\"[^\n]*?(?:\"(?= is out of range)|(?=\n)|\Z)")
_JSON = re.compile(r"(JSON data, line \d{1,20}: )[^\n]*+|(\bToken )\\?\"[^\n]*?(?:\"(?= is invalid)|(?=\n)|\Z)")
# The server cuts the line at both ends, maybe within a literal: what is left cannot be told apart.
_LINE = re.compile(r"(\bLINE \d{1,9}: )([^\n]*+)")
# The columns of a key may be expressions, with brackets of their own.
_KEY = re.compile(
    r"((?i:\bkey)(?: of the failing row contains)? \((?:[^()\n]|\([^()\n]*+\))*+\) ?= ?)"
    r"\(.*?(?:\)(?= (?:already|is|conflicts)|\.?\\?[\n'\")]|\.|\Z)|\Z)",
    re.DOTALL,
)
_PARAMETER = re.compile(r"(\bparameter \$\d{1,6} = )'(?:[^']|'')*+(?:'|\Z)")
_ARGUMENTS = re.compile(r"(with args beginning with: )[^\n]*+")
_PIPELINE = re.compile(r"(Command # \d{1,9} )\(.*?(?:\)(?= of pipeline)|\Z)", re.DOTALL)
_WORD = re.compile(r"(unknown subcommand |ACL SETUSER modifier )\\?'[^\n]*?(?:'(?=[.:]| )|(?=\n)|\Z)")


def _masking(pattern: re.Pattern[str], instead: str = MASK) -> Callable[[str], str]:
    return lambda text: pattern.sub(lambda found: next(filter(None, found.groups())) + instead, text)


def _line(found: re.Match[str]) -> str:
    literal = any(quote in found[2] for quote in "'\"$")
    return found[1] + MASK if literal else found[0]


# What must be in a text for it to be looked at more closely.
_ECHOES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("Failing row contains (", _masking(_ROW, f"({MASK}).")),
    ("invalid input ", _masking(_INPUT)),
    (" literal: ", _masking(_INPUT)),
    ("value out of range: ", _masking(_INPUT)),
    ("COPY ", _masking(_INPUT)),
    ("is out of range", _masking(_RANGE)),
    ("JSON data, line", _masking(_JSON)),
    ("is invalid", _masking(_JSON)),
    ("LINE ", lambda text: _LINE.sub(_line, text)),
    ("=(", _masking(_KEY, f"({MASK})")),
    ("= (", _masking(_KEY, f"({MASK})")),
    ("parameter $", _masking(_PARAMETER)),
    ("with args beginning with: ", _masking(_ARGUMENTS)),
    (" of pipeline", _masking(_PIPELINE, f"({MASK})")),
    ("unknown subcommand ", _masking(_WORD)),
    ("SETUSER modifier ", _masking(_WORD)),
)


def without_echoes(text: str) -> str:
    """
    The text of an error without what the server repeated of what it was sent.

    >>> without_echoes('invalid input syntax for type integer: "4711 Ann"')
    'invalid input syntax for type integer: [masked]'
    >>> without_echoes('null value in column "mail" of relation "person"\\nDETAIL:  Failing row contains (1, Ann, null).')
    'null value in column "mail" of relation "person"\\nDETAIL:  Failing row contains ([masked]).'
    """
    for present, masked in _ECHOES:
        if present in text:
            text = masked(text)
    return text
