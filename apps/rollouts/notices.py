"""Telling people that it is their turn: one e-mail a person for all that began to wait for them, once for each occasion.

Nobody's deed has to think of it: what waits is read from where the rollouts stand (`turns`), what was told already from the store. Where
both differ, people are told and it is written down in one transaction, so that any number of workers tell once.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import transaction

from apps.metrics.announce import Change, Told, announce_to, news
from apps.metrics.kernel import State
from apps.rollouts.models import Notice, Rollout
from apps.rollouts.turns import Turn, turns

log = structlog.get_logger()

if TYPE_CHECKING:
    from datetime import datetime

    from apps.accounts.models import Person


def tell_all(now: datetime) -> int:
    """Tell of every rollout; returns how many mails were put into the outbox. Without a mail server nothing is taken for told."""
    if not settings.EMAIL_HOST:
        return 0
    told = 0
    for pk in Rollout.objects.values_list("pk", flat=True):
        try:
            told += tell(pk, now)
        except Exception:  # whatever it is, it is told, and the others go on
            log.exception("notices.stuck", rollout=pk)
    return told


def tell(rollout: int, now: datetime) -> int:
    """Tell what began to wait in one rollout, unless somebody is changing it: then the next turn does."""
    with transaction.atomic():
        free = Rollout.objects.select_for_update(skip_locked=True, of=("self",)).select_related("tier", "pin")
        found = free.filter(pk=rollout).first()
        if found is None:
            return 0
        waiting = {turn.key: turn for turn in turns(found, now)}
        known = {notice.key for notice in Notice.objects.filter(rollout=found, over_at=None)}
        Notice.objects.filter(rollout=found, over_at=None, key__in=known - waiting.keys()).update(over_at=now)
        return _tell(found, [turn for key, turn in waiting.items() if key not in known], now)


def _tell(rollout: Rollout, new: list[Turn], now: datetime) -> int:
    wanted: dict[Person, list[Told]] = defaultdict(list)
    for turn in new:
        told = sorted((p for p in turn.people if turn.told and p.told_by_mail), key=lambda person: person.username)
        names = [person.username for person in told]
        Notice.objects.create(rollout=rollout, key=turn.key, text=turn.text, at=now, told=names)
        for person in told:
            wanted[person].append(news(turn.text, State.INCONCLUSIVE, turn.url, now, Change.TURN))
    announce_to(wanted, rollout.tier, now)
    return len(wanted)
