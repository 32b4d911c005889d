"""Any node: whether it answers as what it was said to be, its version, clock, encryption, and whether it answers what polls ask."""

import re
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from apps.metrics.kernel import NodeKind, NodeRole
from apps.metrics.kernel import State as Judged
from apps.metrics.readers.trust import proven
from apps.metrics.registry import probes
from apps.metrics.thresholds import Limits
from apps.metrics.units import duration
from apps.overview.doctor import pgbouncer_rights, postgres_rights
from apps.overview.doctor.asked import Asked
from apps.overview.doctor.deployment import HERE
from apps.overview.doctor.finding import Finding, State
from apps.overview.doctor.refused import cure

ANSWERS = ("nodes.answers", "Answers")
SOFTWARE = {NodeKind.POSTGRES: "PostgreSQL", NodeKind.PGBOUNCER: "PgBouncer", NodeKind.REDIS: "Redis"}
OLDEST = {NodeKind.POSTGRES: (13,), NodeKind.PGBOUNCER: (1, 8), NodeKind.REDIS: (6, 0)}
NEWEST = {NodeKind.POSTGRES: (18,)}
CLOCK = "node.clock_offset"
MOST_TOLD = 3
VERIFY = (
    "Add the node again with ?sslmode=verify-full at the end of its address; where no authority of the system signed its "
    "certificate, name the file of the one that did in OPSPORTAL_NODE_CA first."
)


def state(asked: Asked, limits: Limits) -> Iterator[Finding]:
    """Findings of one node; a single one where it did not answer."""
    yield _answers(asked)
    if asked.polled.failure is not None:
        return
    if asked.kind in SOFTWARE:
        yield _version(asked)
    if asked.polled.clock_offset is not None:
        yield _clock(asked, limits)
    yield _tls(asked)
    yield _questions(asked)


def _answers(asked: Asked) -> Finding:
    polled, identity = asked.polled, asked.polled.identity
    if polled.failure is not None:
        remedy, lines = cure(asked)
        return asked.finding(ANSWERS, State.FAILURE, polled.failure.message, remedy, lines)
    declared = polled.target.role
    if identity and asked.kind is NodeKind.POSTGRES and identity.role is not declared:
        told = f"It answers as a {identity.role.value} and was added as {declared.value or 'neither'}."
        remedy = "After a failover that stays: remove the node and add it again in its new role."
        return asked.finding(ANSWERS, State.WARNING, told, remedy)
    role = f"as {declared.value} " if declared is not NodeRole.NONE else ""
    return asked.finding(ANSWERS, State.FINE, f"{role}in {duration(polled.duration.total_seconds())}")


def _version(asked: Asked) -> Finding:
    of, software = ("nodes.version", "Version"), SOFTWARE[asked.kind]
    said = asked.polled.identity.version if asked.polled.identity else ""
    number = tuple(int(part) for part in re.findall(r"\d+", said.partition(" ")[0]))
    told, oldest = f"{software} {said}", OLDEST[asked.kind]
    if not number:
        return asked.finding(of, State.UNKNOWN, f"{software} of a version that it does not tell")
    if number < oldest:
        needed = f"{told}; the portal reads {'.'.join(map(str, oldest))} and newer."
        return asked.finding(of, State.FAILURE, needed, f"Upgrade {software}.")
    newest = NEWEST.get(asked.kind)
    if newest and number[:1] > newest:
        return asked.finding(of, State.WARNING, f"{told}; the portal knows versions up to {newest[0]}.")
    return asked.finding(of, State.FINE, told)


def _clock(asked: Asked, limits: Limits) -> Finding:
    """Judged as the check of that name is, by the thresholds that count for this node."""
    of, check = ("nodes.clock", "Clock"), limits.of(CLOCK, asked.name)
    assert check is not None
    assert asked.polled.clock_offset is not None
    seconds = asked.polled.clock_offset.total_seconds()
    judged = check.judge(abs(seconds), timedelta(0))
    told = f"{duration(abs(seconds))} {'ahead of' if seconds > 0 else 'behind'} the portal's"
    if judged is Judged.PASS:
        return asked.finding(of, State.FINE, told)
    found = State.FAILURE if judged is Judged.FAIL else State.WARNING
    return asked.finding(of, found, f"{told}.", check.remedy)


def _tls(asked: Asked) -> Finding:
    of, encrypted = ("nodes.tls", "TLS"), _encrypted(asked)
    here = urlsplit(asked.address).hostname in HERE
    if encrypted and proven(asked.address):
        return asked.finding(of, State.FINE, f"{encrypted}, its certificate is verified")
    if encrypted:
        told = f"{encrypted}, and its certificate is not verified"
        if here:
            return asked.finding(of, State.FINE, f"{told}; it is on this machine")
        return asked.finding(of, State.WARNING, f"{told}: whoever gets between the two may take its place.", VERIFY)
    if here:
        return asked.finding(of, State.FINE, "none, and it is on this machine")
    if encrypted is None:
        return asked.finding(of, State.UNKNOWN, "The node did not say whether the connection is encrypted.")
    ends = {NodeKind.REDIS: "rediss:// in its beginning", NodeKind.APPLICATION: "https:// in its beginning"}
    remedy = f"Switch TLS on there, then add the node again with {ends.get(asked.kind, '?sslmode=verify-full at the end of its address')}."
    return asked.finding(of, State.WARNING, "none: whoever listens between the two reads what it answers.", remedy)


def _encrypted(asked: Asked) -> str | None:
    """In what; empty for nothing, None where it is not known."""
    match asked.kind:
        case NodeKind.POSTGRES:
            rows = asked.rows(postgres_rights.LOGIN)
            return (rows[0]["tls"] or "") if rows else None
        case NodeKind.PGBOUNCER:
            return pgbouncer_rights.tls(asked)
        case _:
            return "yes" if urlsplit(asked.address).scheme in {"rediss", "https"} else ""


def _questions(asked: Asked) -> Finding:
    """Whether the node answers what the portal asks at a poll, whatever the findings of its rights say."""
    of, everyday = ("nodes.questions", "Questions"), asked.everyday
    if everyday is None or everyday.failure is not None:
        told = everyday.failure.message if everyday and everyday.failure else "They were not asked."
        return asked.finding(of, State.WARNING, told, "Run the doctor again; if it says the same, read the node's log.")
    failed = {name: answer.failure for name, answer in everyday.answers.items() if answer.failure}
    if not failed:
        return asked.finding(of, State.FINE, f"all {len(everyday.answers)} of a poll are answered")
    told = "; ".join(f"{name}: {failure.message}" for name, failure in list(failed.items())[:MOST_TOLD])
    more = f" And {len(failed) - MOST_TOLD} more." if len(failed) > MOST_TOLD else ""
    needs = {probes()[name].needs for name in failed} - {""}
    remedy = f"They need {'; '.join(sorted(needs))}." if needs else "Read the node's log."
    return asked.finding(
        of, State.WARNING, f"{len(failed)} of {len(everyday.answers)} are not answered: {told}{more}", remedy
    )
