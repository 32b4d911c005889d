"""All probes and checks of all rooms: collected once, ids unique, nothing found by name guessing."""

from dataclasses import replace
from datetime import timedelta
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import TypeVar

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from apps.metrics.exporters import Exported
from apps.metrics.kernel import Check, NodeKind, NodeRole
from apps.metrics.probe import Probe, TierProbe


def _modules(name: str) -> list[ModuleType]:
    rooms = ["metrics", *settings.TIER_ROOMS]
    return [import_module(f"apps.{room}.{name}") for room in rooms if find_spec(f"apps.{room}.{name}")]


T = TypeVar("T", Probe, TierProbe, Check)


def _by_id(found: list[T]) -> dict[str, T]:
    table: dict[str, T] = {}
    for item in found:
        if item.id in table:
            raise ImproperlyConfigured(f"Two declarations are named {item.id}: give one of them another id.")
        table[item.id] = item
    return table


@cache
def probes() -> dict[str, Probe]:
    """Every probe by id."""
    return _by_id([probe for module in _modules("probes") for probe in module.PROBES])


@cache
def tier_probes() -> dict[str, TierProbe]:
    """Every tier probe by id."""
    return _by_id([probe for module in _modules("probes") for probe in getattr(module, "TIER_PROBES", ())])


@cache
def checks() -> dict[str, Check]:
    """Every check by id, stale after two and a half intervals at the earliest; raises ImproperlyConfigured when one names a probe that
    does not exist.
    """
    table = _by_id([check for module in _modules("checks") for check in module.CHECKS])
    for check in table.values():
        if check.source not in probes() and check.source not in tier_probes():
            raise ImproperlyConfigured(f"The check {check.id} reads the probe {check.source}, which no room declares.")
        if not check.metric.startswith(f"{check.source}."):
            raise ImproperlyConfigured(
                f"The check {check.id} reads {check.metric}, which is no metric of {check.source}."
            )
    least = timedelta(seconds=settings.POLL_SECONDS * 2.5)  # else all would be stale before the next poll
    return {id_: replace(check, stale_after=max(check.stale_after, least)) for id_, check in table.items()}


@cache
def exported() -> tuple[Exported, ...]:
    """What exporters have a name for, of all rooms; raises ImproperlyConfigured when one is of a probe that does not exist."""
    found = tuple(one for module in _modules("exported") for one in module.EXPORTED)
    for one in found:
        if one.probe not in probes() and one.probe not in tier_probes():
            raise ImproperlyConfigured(f"{one.name} is exported from the probe {one.probe}, which no room declares.")
    return found


@cache
def explained_by(room: str) -> tuple[tuple[NodeKind, NodeRole], ...]:
    """The nodes that a room's checks need wherever they are measured: while one is down, theirs are explained by its alert."""
    found = (getattr(module, "EXPLAINED_BY", {}) for module in _modules("checks"))
    return next((needs[room] for needs in found if room in needs), ())


def checks_of(room: str) -> tuple[Check, ...]:
    """The checks one room declares, in its own order."""
    return tuple(check for check in checks().values() if check.room == room)
