"""What kinds of entry there are, each with a label and a sentence, so that pages speak plain words.

A room declares its kinds in its `AppConfig.ready`:

    from apps.ledger.kinds import declare
    declare("rollout.tick", _("Checklist item ticked"), _("{actor} ticked {item} in {week}."))

A kind with a `mark`, a few words, is drawn on the charts of its tier too (apps/metrics/marks.py); a `small` one only where room is left,
gathered with its neighbours.

Between braces stand `actor`, `subject`, `tier` or any top-level key of the entry's body.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise

Words = str | Promise


class UnknownKind(ValueError):
    """An entry of a kind that no room declared."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of entry: its id, a label for filters, a sentence with `{names}` from the entry; a mark when charts show it.

    `small`: the mark may stand without its words, among others.
    """

    id: str
    label: Words
    sentence: Words
    mark: Words = ""
    small: bool = False


_kinds: dict[str, Kind] = {}


def declare(name: str, label: Words, sentence: Words, mark: Words = "", *, small: bool = False) -> None:
    """Make a kind known. Declaring the same one again replaces its words (start-up may run twice in one process)."""
    _kinds[name] = Kind(name, label, sentence, mark, small)


def every() -> list[Kind]:
    """All declared kinds, in the order of their ids."""
    return [_kinds[name] for name in sorted(_kinds)]


def known(name: str) -> Kind:
    """The declared kind; raises UnknownKind and names the remedy."""
    try:
        return _kinds[name]
    except KeyError:
        raise UnknownKind(
            f"No room declared the ledger kind {name!r}. Call apps.ledger.kinds.declare({name!r}, label, sentence) "
            "in the ready() of the room that appends it."
        ) from None


class _Values(dict[str, Any]):
    def __missing__(self, name: str) -> str:
        return "–"


def sentence(name: str, values: Mapping[str, Any]) -> str:
    """The entry in words. A kind whose room is gone is shown by its id, a value that is absent by a dash."""
    kind = _kinds.get(name)
    template = str(kind.sentence) if kind else "{actor}: " + name.replace("{", "").replace("}", "") + " {subject}."
    return _filled(template, values)


def mark(name: str, values: Mapping[str, Any]) -> str:
    """The few words of a declared kind that stand on a chart."""
    return _filled(str(known(name).mark), values)


def _filled(template: str, values: Mapping[str, Any]) -> str:
    return template.format_map(_Values({key: _plain(value) for key, value in values.items()}))


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    return "–" if value is None or value == "" else str(value)
