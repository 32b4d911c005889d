"""How states, values and ages are written in templates: the only place that chooses their shape and words."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from apps.metrics.kernel import Check, Direction, State, Unit
from apps.metrics.units import duration, show

register = template.Library()


class Look(StrEnum):
    """How a state looks: five shapes for all states."""

    PASS = "pass"  # noqa: S105  a state, no password
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    MUTED = "muted"


WORDS = {
    State.PASS: pgettext_lazy("state of a check", "passes"),
    State.WARN: pgettext_lazy("state of a check", "warns"),
    State.FAIL: pgettext_lazy("state of a check", "fails"),
    State.INCONCLUSIVE: pgettext_lazy("state of a check", "not conclusive"),
    State.NO_DATA: pgettext_lazy("state of a check", "no data"),
    State.ERROR: pgettext_lazy("state of a check", "no answer"),
}
MINUS = "\N{MINUS SIGN}"
MUTED_WORD = gettext_lazy("not judged")

_SHAPES = {
    Look.PASS: '<circle cx="6" cy="6" r="5.5" fill="currentColor"/>',
    Look.WARN: '<path d="M6 .6 12 11.4H0Z" fill="currentColor"/>',
    Look.FAIL: '<rect x=".7" y=".7" width="10.6" height="10.6" rx="1.2" fill="currentColor"/>',
    Look.UNKNOWN: '<circle cx="6" cy="6" r="5" fill="none" stroke="currentColor" stroke-width="1.4" stroke-dasharray="2 1.6"/>',
    Look.MUTED: '<path d="M1 6h10" stroke="currentColor" stroke-width="2"/>',
}


def look_of(state: State | str) -> Look:
    """The look of a state, or of a look given by name; whatever is not measured looks unknown, never like PASS.

    >>> look_of(State.NO_DATA), look_of("muted")
    (<Look.UNKNOWN: 'unknown'>, <Look.MUTED: 'muted'>)
    """
    try:
        return Look(str(state))
    except ValueError:
        return Look.UNKNOWN


def word_of(state: State | str) -> str:
    """The word of a state, in the reader's language."""
    if look_of(state) is Look.MUTED:
        return str(MUTED_WORD)
    return str(WORDS.get(State(state), state)) if state in list(State) else str(state)


def _shape(look: Look) -> SafeString:
    return mark_safe(  # noqa: S308  constants of this module
        f'<svg class="shape" width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">{_SHAPES[look]}</svg>'
    )


@register.simple_tag
def state(value: State | str) -> SafeString:
    """The shape of a state; its word is there for screen readers and on hover."""
    look, word = look_of(value), word_of(value)
    return format_html(
        '<span class="state state-{}" title="{}">{}<span class="unseen">{}</span></span>',
        look,
        word,
        _shape(look),
        word,
    )


@register.simple_tag
def state_word(value: State | str) -> SafeString:
    """The shape of a state followed by its word."""
    look = look_of(value)
    return format_html('<span class="state state-{}">{}{}</span>', look, _shape(look), word_of(value))


@register.filter
def with_unit(value: float | None, unit: Unit | str) -> str:
    """A number with its unit as a person reads it."""
    return show(value, unit)


@register.filter
def signed(value: float | None, unit: Unit | str) -> str:
    """A change with its unit and its sign.

    >>> signed(0.12, "ratio"), signed(-0.5, "s"), signed(-1e-12, "s"), signed(None, "s")
    ('+12\xa0%', '−500\xa0ms', '0\xa0µs', '–')
    """
    text = show(None if value is None else abs(value), unit)
    if value is None or not any(digit in text for digit in "123456789"):
        return text
    return f"{'+' if value > 0 else MINUS}{text}"


@register.filter
def length_of(length: timedelta) -> str:
    """A length of time in words."""
    return duration(length.total_seconds())


@register.simple_tag
def age(at: datetime | None) -> SafeString:
    """How long ago, in a `<time>` that app.js keeps ticking; a dash where nothing was ever measured."""
    if at is None:
        return format_html('<span class="age quiet">{}</span>', _("never"))
    seconds = max((timezone.now() - at).total_seconds(), 0)
    return format_html(
        '<time class="age" datetime="{}" title="{}">{}</time>', at.isoformat(), utc(at), _("%s ago") % ago(seconds)
    )


def ago(seconds: float) -> str:
    """A length of time as an age: whole units, the largest only.

    >>> ago(4.4), ago(150), ago(7300), ago(200000)
    ('4\\xa0s', '2\\xa0min', '2\\xa0h', '2\\xa0d')
    """
    for size in (86400, 3600, 60):
        if seconds >= size:
            return duration(int(seconds // size) * size)
    return duration(int(seconds))


def utc(at: datetime) -> str:
    """A moment in full, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


@register.simple_tag
def moment(at: datetime | None, form: str = "minute") -> SafeString:
    """A moment in the reader's zone (app.js rewrites it), with UTC on hover. `form`: "time", "minute" or "date"."""
    if at is None:
        return mark_safe("–")
    written = {"time": "%H:%M:%S", "minute": "%d %b %H:%M", "date": "%d %b %Y"}[form]
    return format_html(
        '<time class="moment" data-form="{}" datetime="{}" title="{}">{}</time>',
        form, at.isoformat(), utc(at), f"{at.astimezone(UTC):{written}}",
    )  # fmt: skip


@register.filter
def threshold(check: Check) -> str:
    """The thresholds of a check in words.

    >>> c = Check("a.b", "", "a.b.c", "a.b", Unit.SECONDS, "", "", warn=5, fail=30)
    >>> threshold(c)
    'warns from 5\\xa0s · fails above 30\\xa0s'
    """
    text = ends(check)
    if (changed := check.changed) is None or check.unit is Unit.YES_NO:
        return text
    told = {
        "default": _ends(check, changed.warn, changed.fail),
        "by": changed.by,
        "on": f"{changed.at:%d %b}".lstrip("0"),
    }
    return f"{text} " + _("(default %(default)s; by %(by)s, %(on)s: %(reason)s)") % {**told, "reason": changed.reason}


@register.filter
def ends(check: Check) -> str:
    """The thresholds alone, whoever set them."""
    if check.unit is Unit.YES_NO:
        bad = show(check.direction is Direction.HIGH, check.unit)
        return (_("warns when it says %s") if check.fail is None else _("fails when it says %s")) % bad
    return _ends(check, check.warn, check.fail)


def _ends(check: Check, warn: float | None, fail: float | None) -> str:
    high = check.direction is Direction.HIGH
    parts = []
    if warn is not None:
        parts.append((_("warns from %s") if high else _("warns at or below %s")) % show(warn, check.unit))
    if fail is not None:
        parts.append((_("fails above %s") if high else _("fails below %s")) % show(fail, check.unit))
    return " · ".join(parts) or _("shown only")


@register.simple_tag
def sparkline(values: Sequence[float | None] | None, width: int = 88, height: int = 20) -> SafeString:
    """The last hour as a line, drawn with attributes only; a gap is a gap. Nothing for fewer than two numbers."""
    known = [v for v in values or () if v is not None]
    if not values or len(known) < 2:
        return mark_safe("")
    low, high = min(0.0, *known), max(known)
    step, scale = width / max(len(values) - 1, 1), (height - 3) / ((high - low) or 1)
    pen, path = "M", []
    for index, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        path.append(f"{pen}{index * step:.1f} {height - 1.5 - (value - low) * scale:.1f}")
        pen = "L"
    return format_html(
        '<svg class="spark" width="{}" height="{}" viewBox="0 0 {} {}" aria-hidden="true">'
        '<path d="{}" fill="none" stroke="currentColor" stroke-width="1.4" stroke-linejoin="round"/></svg>',
        width, height, width, height, "".join(path),
    )  # fmt: skip
