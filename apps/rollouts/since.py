"""What changed in a week since it was signed: the covered part of a statement then, against the week's present one, in words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _

from apps.playbook.plan import Week
from apps.rollouts.models import Outcome

NOT_SAID = {"rollout", "week"}  # the same in every statement of a week
WHOLE = {"watch", "comparison"}  # one thing each, of which several things are said


class How(StrEnum):
    """What became of one thing."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: what it concerns, and in words what it was and is."""

    how: How
    what: str
    detail: str

    @property
    def word(self) -> str:
        """How, in words."""
        return {"added": _("added"), "changed": _("changed"), "removed": _("removed")}[self.how]


def since(
    before: Mapping[str, Any], now: Mapping[str, Any], week: Week, adopted: Sequence[Change] = ()
) -> tuple[Change, ...]:
    """All differences, by what they concern; empty when nothing changed. `adopted`: what another playbook says of the week."""
    found: list[Change] = []
    for part in [key for key in {**now, **before} if key not in NOT_SAID]:
        was, is_ = before.get(part), now.get(part)
        if was == is_:
            continue
        if part in WHOLE:
            found += _by_name(part, {part: was} if was else {}, {part: is_} if is_ else {}, week)
        elif isinstance(was or is_, list):
            found += _in_list(part, was or [], is_ or [])
        elif isinstance(was or is_, dict):
            found += _by_name(part, was or {}, is_ or {}, week)
        else:
            found.append(Change(How.CHANGED, _part(part), _then_and_now(_text(was), _text(is_))))
            found += adopted if part == "playbook" else ()
    return tuple(found)


def _by_name(part: str, was: Mapping[str, Any], is_: Mapping[str, Any], week: Week) -> Iterator[Change]:
    titles = _titles(part, week)
    for name in sorted({*was, *is_}):
        then, now, what = was.get(name), is_.get(name), titles.get(name, f"{_part(part)}: {name}")
        if then is None:
            yield Change(How.ADDED, what, _one(part, now))
        elif now is None:
            yield Change(How.REMOVED, what, _("was: %(then)s") % {"then": _one(part, then)})
        elif then != now:
            yield Change(How.CHANGED, what, _difference(part, then, now))


def _in_list(part: str, was: list[Any], is_: list[Any]) -> Iterator[Change]:
    for entry in was:
        if entry not in is_:
            yield Change(How.REMOVED, _part(part), _one(part, entry))
    for entry in is_:
        if entry not in was:
            yield Change(How.ADDED, _part(part), _one(part, entry))


def _titles(part: str, week: Week) -> dict[str, str]:
    match part:
        case "items":
            return {item.slug: item.text for item in week.items()}
        case "baselines":
            return {metric.slug: metric.title for metric in week.baseline}
        case "watch" | "comparison":
            return {part: _part(part)}
    return {}


def _part(part: str) -> str:
    """A part of the statement in words; a part that has none here goes by its own name."""
    known = {
        "playbook": _("Pinned playbook"),
        "items": _("Checklist item"),
        "baselines": _("Baseline"),
        "deployments": _("Deployment"),
        "issues": _("Issue"),
        "watch": _("Watch"),
        "comparison": _("Comparison"),
        "overrides": _("Override"),
        "rollbacks": _("Run of the rollback"),
        "weeks": _("What was signed in"),
    }
    return known.get(part, part.replace("_", " ").capitalize())


def _one(part: str, value: Any) -> str:
    if isinstance(value, dict):
        if part == "items":
            word = Outcome(value["outcome"]).label if value["outcome"] in Outcome.values else value["outcome"]
            return _("%(outcome)s, %(who)s, %(when)s") % {
                "outcome": word, "who": value["by"], "when": _moment(value["at"]),
            }  # fmt: skip
        shown = [text for key, inner in value.items() if key != "id" and (text := _text(inner))]
        return " · ".join(shown)
    return _("digest %(digest)s") % {"digest": value[:12]} if part == "baselines" else _text(value)


def _difference(part: str, then: Any, now: Any) -> str:
    """Both sides; of an item that was settled alike by the same person at another time, that its evidence is another one."""
    before, after = _one(part, then), _one(part, now)
    text = _then_and_now(before, after)
    evidence = isinstance(then, dict) and then.get("evidence") != now.get("evidence")
    return f"{text} ({_('other evidence')})" if evidence else text


def _then_and_now(then: str, now: str) -> str:
    return _("was: %(then)s; now: %(now)s") % {"then": then or "–", "now": now or "–"}


def _text(value: Any) -> str:
    """A plain value, shortened where it is a digest, a time where it is one."""
    text = "" if value is None else "; ".join(map(str, value)) if isinstance(value, list) else str(value)
    if len(text) == 64 and all(c in "0123456789abcdef" for c in text):
        return text[:12]
    return _moment(text) if len(text) > 18 and text[4:5] == "-" and text[10:11] == "T" else text


def _moment(text: str) -> str:
    """
    An ISO time as a person reads it.

    >>> _moment("2026-11-25T20:31:00.5+00:00")
    '2026-11-25 20:31:00 UTC'
    """
    return f"{text[:19].replace('T', ' ')} UTC"
