"""A Redis node: each command that the portal sends there, tried once on keys that do not exist, and some that it must not be allowed.

No rule of an ACL has to be read for that: the login needs no right to ask for one, which would show it everybody's password hashes.
"""

import re
from collections.abc import Iterator
from secrets import token_hex

from apps.metrics.kernel import FailureKind, NodeKind
from apps.metrics.probe import Ask, Probe, Talk
from apps.overview.doctor.asked import OWN_LOGIN, SHARED, Asked
from apps.overview.doctor.finding import Finding, State

NOWHERE = f"opsportal:doctor:{token_hex(16)}"  # no key of this name exists
KEYS = "%R~ratelimit:* %R~cache:stats:*"
KEYS_BEFORE_7 = "~ratelimit:* ~cache:stats:*"
# What the rooms send, with the rule that allows it.
LOOKS = {
    "+slowlog|get": ("SLOWLOG", "GET", 1),
    "+config|get": ("CONFIG", "GET", "maxmemory-policy"),
    "+scan": ("SCAN", "0", "COUNT", 1),
}
VALUES = {
    "+hgetall": ("HGETALL", f"cache:stats:{NOWHERE}"),
    "+hmget": ("HMGET", f"ratelimit:{NOWHERE}", "used"),
    "+get": ("GET", f"ratelimit:tier:{NOWHERE}"),
}
# Writing commands that change nothing where there is no key: to be allowed them is to be allowed to write.
WRITES = {word: (word, NOWHERE, *more) for word, more in (("PERSIST", ()), ("DEL", ()), ("HDEL", ("field",)))}
ACL = "ACL GETUSER"
RIGHTS = ("nodes.rights", "Polling login")
READS_ONLY = ("nodes.reads_only", "Reads only")
KEEP = "then ACL SAVE, or write the same into its configuration:"


def _ask(*words: str | int) -> Ask:
    def ask(_server: object) -> Talk:
        yield [words]
        return ()

    return ask


def _probe(name: str, words: tuple[str | int, ...]) -> Probe:
    says = " ".join(map(str, words))
    return Probe(f"doctor.{name}", NodeKind.REDIS, _ask(*words), read=lambda _rows: (), says=says)


PROBES = tuple(
    _probe(name, words) for name, words in {**LOOKS, **VALUES, **WRITES, ACL: ("ACL", "GETUSER", "default")}.items()
)


def examine(asked: Asked) -> Iterator[Finding]:
    """What was refused that should not be, and the other way round."""
    looks, values = ([rule for rule in rules if not _allowed(asked, rule)] for rules in (LOOKS, VALUES))
    yield _rights(asked, looks, values)
    yield _reads_only(asked)


def _allowed(asked: Asked, name: str) -> bool:
    """Anything but a refusal: an error of another kind came from somebody who was let through."""
    assert asked.own is not None
    answer = asked.own.answers[f"doctor.{name}"]
    return answer.failure is None or answer.failure.kind is not FailureKind.DENIED


def since_7(asked: Asked) -> bool:
    """Whether it knows rights to read only, and several sets of rules for one login; who says no version is taken for a new one."""
    major = re.match(r"\d+", asked.polled.identity.version) if asked.polled.identity else None
    return major is None or int(major[0]) >= 7


def _rights(asked: Asked, looks: list[str], values: list[str]) -> Finding:
    login = asked.login or "default"
    if not looks and not values:
        return asked.finding(RIGHTS, State.FINE, f"{login} is let do all that is asked of it")
    refused = ", ".join(rule.lstrip("+").replace("|", " ").upper() for rule in [*looks, *values])
    told = f"{login} is refused {refused}{f' on {KEYS}' if values else ''}."
    return asked.finding(
        RIGHTS, State.FAILURE, told, f"With an administrator's login, {KEEP}", [_line(login, asked, looks, values)]
    )


def _line(login: str, asked: Asked, looks: list[str], values: list[str]) -> str:
    words = [f"ACL SETUSER {login}", *looks]
    if values:
        new = since_7(asked)
        words.append(f"({KEYS} -@all {' '.join(VALUES)})" if new else f"{KEYS_BEFORE_7} {' '.join(VALUES)}")
    return " ".join(words)


def _reads_only(asked: Asked) -> Finding:
    login, written = asked.login or "default", [word for word in WRITES if _allowed(asked, word)]
    if not written and not _allowed(asked, ACL):
        return asked.finding(READS_ONLY, State.FINE, f"{login} is refused {', '.join(WRITES)} and ACL")
    told = f"{login} may write ({', '.join(written)})." if written else f"{login} may read everybody's password hashes."
    if not asked.login:
        remedy = (
            "Give the portal a login of its own, with a password in the place of …; then add the node again with it:"
        )
        return asked.finding(
            READS_ONLY, State.FAILURE, told, remedy, [f"ACL SETUSER {OWN_LOGIN} on >… {rules(since_7=since_7(asked))}"]
        )
    remedy = f"{SHARED} With an administrator's login, {KEEP}"
    begin = "resetkeys clearselectors" if since_7(asked) else "resetkeys"
    return asked.finding(
        READS_ONLY, State.FAILURE, told, remedy, [f"ACL SETUSER {login} {begin} {rules(since_7=since_7(asked))}"]
    )


def rules(*, since_7: bool) -> str:
    """All that the polling login needs, as docker-compose.yml has it."""
    look = (
        "-@all +info +ping +dbsize +slowlog|get +slowlog|len +config|get +latency|latest +latency|history +client|list"
        " +client|setname +client|id +memory|usage +memory|stats +scan +type +ttl +pttl +exists +select"
    )
    values = "+hgetall +hget +hmget +hlen +zrange +zcard +get"
    return f"%R~* {look} ({KEYS} -@all {values})" if since_7 else f"~* {look} {values}"
