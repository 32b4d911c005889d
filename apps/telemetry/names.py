"""What names of keys say that a secret is under them.

Standard library only.
"""

import re
from functools import lru_cache

# A key is secret when one of these words ends in it, whatever stands before: `pgpassword`, `X-API-Key`, `clientsecret` …
ANYWHERE = (
    r"pass(?:word|wd|phrase|code)s?", r"secrets?", r"tokens?",
    r"(?:api|private|secret|signature|session|encryption|access|ssh|signing|account|hmac|license|deploy|master)[-_ .]?keys?",
    r"authori[sz]ation", r"cookies?", r"credentials?",
)  # fmt: skip
# … or when one of these is a word of it: `db_pwd`, `userEmail`, `card number`.
WORDS = (
    r"pass(?:es)?", r"pwd", r"auth", r"session[-_ .]?id", r"csrf(?:middlewaretoken)?", r"card(?:[-_ .]?(?:number|no))?", r"pan", r"cvv2?",
    r"cvc", r"iban", r"ssn", r"social[-_ .]?security(?:[-_ .]?number)?", r"(?:tele)?phone(?:[-_ .]?(?:number|no))?", r"mobile",
    r"e?[-_ .]?mails?", r"otp", r"totp", r"recovery[-_ .]?codes?", r"dsn", r"jwt", r"requirepass", r"(?:master|primary)auth",
)  # fmt: skip
# … or when it ends with one of these, which often are half of something else: `pin_count`, `bearer of news`, `signature_missing`.
LAST = (r"pin(?:[-_ .]?(?:code|number))?", r"bearer", r"signature", r"hmac")
_SECRET_KEY = re.compile(
    rf"(?:{'|'.join(ANYWHERE)}|(?<![a-z])(?:{'|'.join(WORDS)}))(?![a-z])|(?<![a-z])(?:{'|'.join(LAST)})\Z",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

# One thing says what it is, another what it holds: {"name": "password", "value": "…"}.
NAMING = frozenset(
    {"name", "key", "field", "header", "param", "parameter", "setting", "variable", "option", "label", "id"}
)
VALUES = frozenset({"value", "values", "val", "default"})


@lru_cache(maxsize=4096)
def secret_key(name: str) -> bool:
    """
    Whether a value under this key is masked whatever it is.

    >>> secret_key("db_password"), secret_key("userEmail"), secret_key("passing"), secret_key("monkey")
    (True, True, False, False)
    """
    return _SECRET_KEY.search(name) is not None or _SECRET_KEY.search(_CAMEL.sub("_", name)) is not None
