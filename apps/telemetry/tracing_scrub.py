"""What may leave with a span: the same masking as for log lines, and less of statements and addresses.

Runs on the thread that sends, on spans that are sent: no request pays for it. Every text of a span goes through here: its name, the keys
and values of attributes, exceptions with their tracebacks, links and status.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, SpanContext
from opentelemetry.trace.status import Status

from apps.telemetry.echoes import MASK, without_echoes
from apps.telemetry.masking import end_of_trace, is_id, mask, mask_text
from apps.telemetry.names import secret_key
from apps.telemetry.statements import normalised

STATEMENTS = frozenset({"db.statement", "db.query.text"})
# Of these a key may be any part: a webhook's path, a signature in a query.
ADDRESSES = frozenset({"http.url", "url.full"})
PATHS = frozenset({"http.target", "url.path", "http.path"})
STACK = "exception.stacktrace"
KNOWN = 4096
_known: set[str] = set()
"""Statements that hold no value to be taken out."""
NEVER = frozenset({"url.query", "db.statement.parameters", "db.query.parameters"})


def clean(span: ReadableSpan) -> ReadableSpan:
    """A copy of an ended span without secrets, and with nothing in it that cannot be sent."""
    attributes = span.attributes or {}
    hidden = _parts(attributes)
    context = span.context
    assert context is not None  # whatever ended has one
    return ReadableSpan(
        name=_text(span.name, hidden),
        context=_plain(context),
        parent=_plain(span.parent) if span.parent else None,
        resource=span.resource,
        attributes=_attributes(attributes, hidden),
        events=[
            Event(_text(e.name, hidden), _attributes(e.attributes or {}, hidden), e.timestamp) for e in span.events
        ],
        links=[Link(_plain(link.context), _attributes(link.attributes or {}, hidden)) for link in span.links],
        kind=span.kind,
        status=Status(
            span.status.status_code, _text(span.status.description, hidden) if span.status.description else None
        ),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _plain(context: SpanContext) -> SpanContext:
    """Without the caller's `tracestate`, which is any text."""
    return SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags)


def _parts(attributes: Mapping[str, Any]) -> list[str]:
    """The address that was called, and its path: exceptions like to repeat them."""
    found = []
    for key in ADDRESSES & attributes.keys():
        url = str(attributes[key])
        path = "/" + url.partition("://")[2].partition("/")[2].partition("?")[0].partition("#")[0]
        found += [part for part in (url, path) if len(part) > 1]
    return found


def _attributes(attributes: Mapping[str, Any], hidden: list[str]) -> dict[str, Any]:
    return {_text(key, []): _value(key, value, hidden) for key, value in attributes.items()}


def _value(key: str, value: Any, hidden: list[str]) -> Any:
    if key in NEVER or secret_key(key):
        return MASK
    if key in STATEMENTS:
        return value if value in _known else _statement(str(value))
    if key in ADDRESSES:
        return _origin(str(value))
    if key in PATHS:
        return _text(str(value).partition("?")[0].partition("#")[0], hidden)
    if key == STACK and isinstance(value, str):
        value = end_of_trace(value)
    if isinstance(value, str):
        return value if is_id(key, value) else _text(value, hidden)
    return [_value("", item, hidden) for item in value] if isinstance(value, (list, tuple)) else mask(value)


def _statement(text: str) -> str:
    plain = _text(normalised(text), [])
    if plain == text:  # as every statement of the monitor's catalogue is: they come again and again
        if len(_known) >= KNOWN:
            _known.clear()
        _known.add(text)
    return plain


def _origin(url: str) -> str:
    """
    Scheme, host and port.

    >>> _origin("https://ann:pw@hooks.example.org:8443/services/T0/B0/key?x=1"), _origin("nonsense")
    ('https://hooks.example.org:8443', '[masked]')
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return MASK
    place = parts.netloc.rpartition("@")[2]
    return _text(f"{parts.scheme}://{place}", []) if parts.scheme and place else MASK


def _text(text: str, hidden: list[str]) -> str:
    """Masked; half a surrogate pair, of which the whole batch would die, is replaced."""
    for part in hidden:
        text = text.replace(part, MASK)
    return mask_text(without_echoes(text)).encode("utf-8", "replace").decode()
