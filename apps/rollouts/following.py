"""What somebody else did since a person's page was drawn: compared by marks, so that only the lines that changed are sent again."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Manager

from apps.rollouts.models import Proposal, Reading, Tick
from apps.rollouts.sheet import ItemRow, Sheet

_MARK = re.compile(r"[trp]\d{1,18}")
_KINDS: Mapping[str, Manager[Any]] = {"t": Tick.objects, "r": Reading.objects, "p": Proposal.objects}


def seen(sheet: Sheet) -> str:
    """Marks of all that a page shows: the digest of what is signed, the signatures, and the tick, reading or proposal of each item.

    A page hands it back when it asks for news.
    """
    signatures = (f"s{slot.slot.signature.pk}" for slot in sheet.slots if slot.slot.signature)
    return ".".join((sheet.progress.covers[:12], *signatures, *sorted(_marks(sheet.rows))))


def changed(sheet: Sheet, before: str) -> tuple[ItemRow, ...]:
    """The rows that are not what they were when the page had these marks; in a read-do pause point also those behind them."""
    old, new = set(_MARK.findall(before)), _marks(sheet.rows)
    slugs = {new[mark] for mark in new.keys() - old} | _slugs(sheet, old - new.keys())
    found = []
    for pause in (*sheet.prerequisites, *sheet.validation):
        behind = False
        for row in pause.rows:
            if behind or row.item.slug in slugs:
                found.append(row)
                behind = pause.one_by_one
    return tuple(found)


def _marks(rows: Iterable[ItemRow]) -> dict[str, str]:
    """The slug of the item by each mark."""
    return {
        f"{kind}{one.pk}": row.item.slug
        for row in rows
        for kind, one in (("t", row.tick), ("r", row.reading), ("p", row.proposal))
        if one is not None
    }


def _slugs(sheet: Sheet, gone: set[str]) -> set[str]:
    """Which items had what is not there any more."""
    found: set[str] = set()
    for kind, every in _KINDS.items():
        keys = [mark[1:] for mark in gone if mark[0] == kind]
        if keys:
            found |= set(every.filter(rollout=sheet.rollout, pk__in=keys).values_list("item", flat=True))
    return found
