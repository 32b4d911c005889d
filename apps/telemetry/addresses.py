"""Secrets in addresses: who calls, with which password, and what a query asks for.

Standard library only. Scheme, host, port and path stay: they tell who was called.
"""

import re

from apps.telemetry.echoes import MASK

# A quote is within an address when more of it follows, not when what was quoted ends there.
_REST = r"(?:[^\s'\"<>]++|['\"]++(?![\s,;:.)\]}>]|\Z))++"
_AUTHORITY = re.compile(rf"://({_REST})")
_LOGIN = re.compile(r"(?<![^\s'\"<>,;=(\[{])([\w.+-]{1,64}+):([^\s'\"<>]++)")
_HOST = re.compile(r"(?!sha\d)[\w\[]")
_QUERY = re.compile(r"(?<!\()\?(?=[\w%&.~+*$@\[-])((?:[^\s#'\"`<>]++|['\"`]++(?=[\w&%=]))++)")
_PART = re.compile(r"([^&;=]*+)(=)?[^&;]*+")
# `/readyz?polling`
_FLAG = re.compile(r"[a-z_-]{1,12}|.{1,3}")
_PATH = re.compile(r"(?:://|(?:\A|[\s'\"<>(=\[{,])\.{0,2}/)[^\s'\"<>?#]*[\w/.~%-]\Z")
_LOOK_BACK = 300
# Whoever has the path may post.
_WEBHOOK = re.compile(
    r"(://(?:hooks\.slack\.com/\w{1,20}/|(?:\w{1,20}\.)?discord(?:app)?\.com/api/webhooks/|[\w-]{1,60}\.webhook\.office\.com/\w{1,20}/"
    r"|api\.telegram\.org/bot))[^\s'\"<>]++"
)


def mask_userinfo(text: str) -> str:
    """
    What stands before the host of an address, with a scheme or without.

    >>> mask_userinfo("redis://:pw@127.0.0.1:6379/0"), mask_userinfo("app:pw@db:5432/x")
    ('redis://[masked]@127.0.0.1:6379/0', '[masked]@db:5432/x')
    """
    if "://" in text:
        text = _AUTHORITY.sub(lambda found: _behind_at(found, "://"), text)
    return _LOGIN.sub(lambda found: _behind_at(found, ""), text) if ":" in text else text


def _behind_at(found: re.Match[str], start: str) -> str:
    _, at, host = found[0].rpartition("@")
    known = at and (start or (_HOST.match(host) and "://" not in found[0]))
    return f"{start}{MASK}@{host}" if known else found[0]


def mask_queries(text: str) -> str:
    """
    Names stay, values go: what a value is good for cannot be seen from its name.

    >>> mask_queries("/reset?code=abc&next=/x"), mask_queries("https://h/cb?aB12"), mask_queries("/readyz?polling")
    ('/reset?code=[masked]&next=[masked]', 'https://h/cb?[masked]', '/readyz?polling')
    """
    return _QUERY.sub(_mask_query, text)


def _mask_query(found: re.Match[str]) -> str:
    query, start = found[1], found.start()
    if "=" in query:
        return "?" + _PART.sub(lambda part: f"{part[1]}={MASK}" if part[2] else part[1] and MASK, query)
    if _FLAG.fullmatch(query) or not _PATH.search(found.string[max(0, start - _LOOK_BACK) : start]):
        return found[0]
    return f"?{MASK}"


def mask_webhooks(text: str) -> str:
    """
    Addresses whose path is the key.

    >>> mask_webhooks("https://hooks.slack.com/services/T0/B0/abc")
    'https://hooks.slack.com/services/[masked]'
    """
    return _WEBHOOK.sub(rf"\1{MASK}", text)
