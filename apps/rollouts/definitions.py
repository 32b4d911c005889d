"""What is another in a newer definition of a week, line by line in words, and whether the playbook's files hold one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.utils.translation import gettext as _

from apps.playbook import difference
from apps.playbook.difference import Kind
from apps.playbook.guides import Playbook
from apps.playbook.mistakes import PlaybookInvalid
from apps.playbook.plan import Week
from apps.playbook.validate import Current, current
from apps.rollouts.pins import InForce, pinned
from apps.rollouts.progress import Progress
from apps.rollouts.since import Change, How, since

MOVED = {Kind.ADDED: How.ADDED, Kind.REMOVED: How.REMOVED, Kind.CHANGED: How.CHANGED, Kind.MOVED: How.CHANGED}


@dataclass(frozen=True, slots=True)
class Newer:
    """The week as the playbook's files have it now, where that is another than the one in force, and what differs."""

    week: Week
    current: Current
    changes: tuple[Change, ...]


def newer(force: InForce) -> dict[str, Newer]:
    """The weeks that have another definition in the files, by slug; empty while the files have mistakes or say the same."""
    try:
        now = current()
    except PlaybookInvalid:  # told by `manage.py doctor`; what is pinned goes on
        return {}
    found = {week.slug: _newer(now, week.slug, force.pin_of(week.slug).digest) for week in force.playbook.weeks}
    return {slug: one for slug, one in found.items() if one}


def newer_of(at: Progress) -> Newer | None:
    """The same of one week."""
    try:
        return _newer(current(), at.week.slug, at.done.pin.digest)
    except PlaybookInvalid:
        return None


def _newer(now: Current, slug: str, pin: str) -> Newer | None:
    week = next((one for one in now.playbook.weeks if one.slug == slug), None)
    changes = between(pin, now.bundle.digest, slug) if week and pin != now.bundle.digest else ()
    return Newer(week, now, changes) if week and changes else None


def between(before: str, after: str, week: str) -> tuple[Change, ...]:
    """What differs in a week from one playbook to another, both by digest: pinned ones, or the one in the files."""
    old, new, changes = _compared(before, after, week)
    return tuple(_told(change, old, new) for change in changes)


@lru_cache(maxsize=128)
def _compared(before: str, after: str, week: str) -> tuple[Week, Week, tuple[difference.Change, ...]]:
    old, new = _of_digest(before).week(week), _of_digest(after).week(week)
    return old, new, difference.in_week(old, new)


def since_signed(said: Mapping[str, Any], at: Progress) -> tuple[Change, ...]:
    """What changed in a week since somebody signed it, its definition included; `said`: the statement."""
    before, now = said["covered"], at.covered
    amended = before["playbook"] != now["playbook"]
    adopted = between(before["playbook"], now["playbook"], at.week.slug) if amended else ()
    return since(before, now, at.week, adopted)


def _of_digest(digest: str) -> Playbook:
    try:
        now = current()
    except PlaybookInvalid:
        return pinned(digest)
    return now.playbook if now.bundle.digest == digest else pinned(digest)


def _told(change: difference.Change, old: Week, new: Week) -> Change:
    titles = dict(_titles(old)) | dict(_titles(new))
    what, rest = _named(change.path, titles)
    if change.kind is Kind.MOVED:
        return Change(How.CHANGED, what, _("in another order"))
    before, after = change.before or "–", change.after or "–"
    about = f"{' '.join(rest).replace('_', ' ')}: " if rest else ""
    match change.kind:
        case Kind.ADDED:
            text = after if rest else ""
        case Kind.REMOVED:
            text = _("was: %(then)s") % {"then": before}
        case _:
            text = _("was: %(then)s; now: %(now)s") % {"then": before, "now": after}
    return Change(MOVED[change.kind] if not rest else How.CHANGED, what, about + text)


def _named(path: tuple[str, ...], titles: dict[tuple[str, ...], str]) -> tuple[str, tuple[str, ...]]:
    """What a way leads to, by its title, and the rest of the way; the longest that has a title."""
    for length in range(len(path), 0, -1):
        if path[:length] in titles:
            return titles[path[:length]], path[length:]
    part = _parts().get(path[0], path[0].replace("_", " ").capitalize())
    return part, path[1:]


def _titles(week: Week) -> Iterator[tuple[tuple[str, ...], str]]:
    for pause in week.pauses:
        yield ("pauses", pause.slug), _("Pause point “%(title)s”") % {"title": pause.title}
        for item in pause.items:
            yield ("pauses", pause.slug, "items", item.slug), _("Item “%(title)s”") % {"title": item.text}
    for metric in week.baseline:
        yield ("baseline", metric.slug), _("Baseline “%(title)s”") % {"title": metric.title}
    for off in week.sign_offs:
        yield ("sign_offs", off.slug), _("Sign-off “%(title)s”") % {"title": off.title}
    for promise in week.improvements:
        yield ("improvements", promise.slug), _("Promise “%(title)s”") % {"title": promise.title}
    for known in week.issues:
        yield ("issues", known.slug), _("Known issue “%(title)s”") % {"title": known.issue}
    for entry in week.watch.entries if week.watch else ():
        yield ("watch", "entries", entry.slug), _("Watch of “%(title)s”") % {"title": entry.title}


def _parts() -> dict[str, str]:
    return {
        "pauses": _("Checklist"),
        "baseline": _("Baseline"),
        "sign_offs": _("Sign-offs"),
        "improvements": _("Promises"),
        "issues": _("Known issues"),
        "about": _("What it is about"),
        "window": _("Window"),
        "days": _("Days"),
    }
