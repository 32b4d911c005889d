"""Before and after: statements in two windows of time, what changed, and what the change is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qsl

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission, allow
from apps.metrics import store
from apps.metrics.exports import csv_file, json_file
from apps.metrics.kernel import Unit
from apps.metrics.models import Tier
from apps.metrics.pages import refuse, tier_of
from apps.metrics.ranges import BadRange, Range
from apps.metrics.units import show
from apps.queries.comparison import WANTED, Change, Comparison, Measured, compare, measured
from apps.queries.history import EVERY, OTHER
from apps.queries.minutes import COUNTED, Minutes
from apps.queries.texts import texts_of
from apps.queries.windows import NAMES, Windows, presets, read_windows

POINTS = 120  # steps of a window; a minute at least
SHOWN = 100
WHOLE = 0.8  # of a window measured: restarts of the worker miss a minute
SAME = 0.05  # of what it was: changes below this are called none
FILES = ("csv", "json")
COLUMNS = (
    *("statement", "text", "kind", "calls_before", "calls_after", "mean_ms_before", "mean_ms_after"),
    *("load_before", "load_after", "load_change", "load_change_ratio", "by_calls", "by_mean"),
)
NOTHING = gettext_lazy(
    "No statement was measured in the window “%(word)s”. The history of statements begins with the portal’s first polls of a server "
    "and is kept as long as other samples. Choose another window."
)


@dataclass(frozen=True, slots=True)
class Row:
    """One statement of the table; `href` is its page, empty for the rest."""

    change: Change
    text: str
    href: str


@dataclass(frozen=True, slots=True)
class ComparePage:
    """What the page shows; `comparison` None until two windows were chosen, `problem`: why those asked for cannot be compared."""

    tier: Tier
    presets: Sequence[tuple[str, Windows]]
    windows: Windows | None = None
    comparison: Comparison | None = None
    verdict: str = ""
    rows: Sequence[Row] = ()
    largest: Row | None = None
    problem: str = ""
    typed: Mapping[str, str] = field(default_factory=dict)

    @property
    def fields(self) -> Sequence[tuple[str, str, str]]:
        """Name, label and value of what the form asks: what was typed, the windows compared, or the first choice."""
        labels = (_("Before, from (UTC)"), _("Before, to (UTC)"), _("After, from (UTC)"), _("After, to (UTC)"))
        shown = dict(parse_qsl((self.windows or self.presets[0][1]).query)) | dict(self.typed)
        return [(name, label, shown[name]) for name, label in zip(NAMES, labels, strict=True)]

    @property
    def thin(self) -> Sequence[tuple[str, float, float]]:
        """Windows of which clearly less than the whole was measured: which, measured and whole seconds."""
        if self.windows is None or self.comparison is None:
            return ()
        both = (
            (_("before"), self.windows.before, self.comparison.before),
            (_("after"), self.windows.after, self.comparison.after),
        )
        lengths = [(word, found.measured, (span.end - span.start).total_seconds()) for word, span, found in both]
        return [one for one in lengths if one[1] < WHOLE * one[2]]


@allow(Permission.VIEW)
@require_GET
def comparing(request: HttpRequest, tier: str) -> HttpResponse:
    """The page, or with `form=csv` or `form=json` its table; 400 for windows that make no sense or were not measured.

    The page then says what is wrong with them and offers the others: a window that is offered may be older than the portal.
    """
    found, now = tier_of(request, tier), timezone.now()
    try:
        windows = read_windows(request.GET, now)
        if windows is None:
            return render(request, "queries/compare.html", {"page": ComparePage(found, presets(now))})
        compared = _compared(found, windows)
    except BadRange as problem:
        if request.GET.get("form") in FILES:
            return refuse(request, problem)
        typed = {name: request.GET.get(name, "") for name in NAMES}
        page = ComparePage(found, presets(now), problem=str(problem), typed=typed)
        return render(request, "queries/compare.html", {"page": page}, status=400)
    rows = _rows(found, compared)
    if request.GET.get("form") in FILES:
        return _file(found, windows, rows, request.GET["form"])
    page = ComparePage(
        found, presets(now), windows, compared, sentence(compared), rows[:SHOWN], largest(compared, rows)
    )
    return render(request, "queries/compare.html", {"page": page})


def _compared(tier: Tier, windows: Windows) -> Comparison:
    before, after = (_measured(tier, window) for window in (windows.before, windows.after))
    for word, one in ((_("before"), before), (_("after"), after)):
        if not one.by_statement:
            raise BadRange(NOTHING % {"word": word})
    return compare(before, after)


def _measured(tier: Tier, window: Range) -> Measured:
    every = max(EVERY, timedelta(seconds=settings.POLL_SECONDS))
    step = max(every.total_seconds(), (window.end - window.start).total_seconds() / POINTS)
    points = int((window.end - window.start).total_seconds() / step)
    lines = store.lines(tier, WANTED, window.start, window.end, points=points)
    counts = store.lines(tier, [COUNTED], window.start, window.end, points=points, reduce="count")
    return measured(lines, Minutes(counts), every)


def _rows(tier: Tier, compared: Comparison) -> list[Row]:
    texts = texts_of(tier, [change.name for change in compared.changes if change.name != OTHER])
    return [
        Row(
            change,
            _("all other statements together") if change.name == OTHER else texts.get(change.name, ""),
            "" if change.name == OTHER else f"/t/{tier.slug}/queries/{change.name}/",
        )
        for change in compared.changes
    ]


def sentence(compared: Comparison) -> str:
    """What changed in all, in words that can be read aloud: the time, and whether more calls or longer ones made it."""
    whole, equal = compared.whole, compared.at_equal_calls
    words = _("Statements took %(change)s: %(before)s a second before, %(after)s after; %(calls)s") % {
        "change": _moved(whole.load_ratio, _("about the same time"), _("%s more time"), _("%s less time")),
        "before": show(whole.before.load, Unit.SECONDS),
        "after": show(whole.after.load, Unit.SECONDS),
        "calls": _moved(whole.calls_ratio, _("as many calls"), _("%s more calls"), _("%s fewer calls")),
    }
    if equal is None:
        return f"{words}."
    each = _moved(
        equal,
        _("the same call took about as long"),
        _("the same call took %s longer"),
        _("the same call was %s quicker"),
    )
    return f"{words}, {each}."


def largest(compared: Comparison, rows: Sequence[Row]) -> Row | None:
    """The statement whose time changed the most; None where no single one changed the whole by more than SAME."""
    much = SAME * max(compared.whole.before.load, compared.whole.after.load)
    return next((row for row in rows if row.href and abs(row.change.load) > much), None)


def _moved(ratio: float | None, same: str, more: str, less: str) -> str:
    if ratio is None:
        return _("a time that cannot be compared")
    if abs(ratio) < SAME:
        return same
    return (more if ratio > 0 else less) % show(abs(ratio), Unit.RATIO)


def _file(tier: Tier, windows: Windows, rows: Sequence[Row], form: str) -> HttpResponse:
    name = f"{tier.slug}-queries-compare"
    table = [_cells(row) for row in rows]
    if form == "csv":
        return csv_file(name, COLUMNS, table)
    spans = {
        word: {"from": span.start, "to": span.end}
        for word, span in (("before", windows.before), ("after", windows.after))
    }
    return json_file(
        name, {"tier": tier.slug, **spans, "rows": [dict(zip(COLUMNS, cells, strict=True)) for cells in table]}
    )


def _cells(row: Row) -> tuple[object, ...]:
    change, then, now = row.change, row.change.before, row.change.after
    return (
        *(change.name, row.text, change.kind, then.calls, now.calls, then.mean_ms, now.mean_ms),
        *(then.load, now.load, change.load, change.load_ratio, change.by_calls, change.by_mean),
    )
