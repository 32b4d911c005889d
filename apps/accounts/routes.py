"""Every route of the portal with its policy: what the system checks, the middleware and the tests walk."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver

from apps.accounts.policy import Policy
from apps.accounts.third_party import POLICIES


@dataclass(frozen=True, slots=True)
class Route:
    """One address: its pattern as written, its full name, the names of its arguments, its view and its policy."""

    pattern: str
    name: str
    arguments: frozenset[str]
    view: Callable[..., Any]
    policy: Policy | None


def policy_of(view: Callable[..., Any], name: str) -> Policy | None:
    """The policy a view declares, or the one declared for the name of its route."""
    declared: Policy | None = getattr(view, "policy", None)
    return declared or POLICIES.get(name)


@lru_cache(maxsize=4)
def routes(urlconf: str | None = None) -> tuple[Route, ...]:
    """All routes below a URLconf (the settings' own by default)."""
    return tuple(_walk(get_resolver(urlconf or settings.ROOT_URLCONF), "", (), frozenset()))


def _walk(resolver: URLResolver, prefix: str, spaces: tuple[str, ...], arguments: frozenset[str]) -> Iterator[Route]:
    for entry in resolver.url_patterns:
        pattern = prefix + str(entry.pattern)
        known = arguments | frozenset(entry.pattern.converters) | _groups(entry)
        if isinstance(entry, URLResolver):
            inner = (*spaces, entry.namespace) if entry.namespace else spaces
            yield from _walk(entry, pattern, inner, known)
        elif isinstance(entry, URLPattern):
            name = ":".join((*spaces, entry.name or ""))
            yield Route(pattern, name, known, entry.callback, policy_of(entry.callback, name))


def _groups(entry: URLPattern | URLResolver) -> frozenset[str]:
    regex = getattr(entry.pattern, "regex", None)
    return frozenset(regex.groupindex) if regex is not None else frozenset()
