"""One statement's page: its text, its course over time, and its plan when somebody asks for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from apps.accounts.policy import Permission, allow, permitted
from apps.metrics import store
from apps.metrics.exports import csv_file, json_file
from apps.metrics.figures import Drawing, draw
from apps.metrics.kernel import NodeKind, Row, Unit
from apps.metrics.limits_drawn import Judged
from apps.metrics.models import Node, Tier
from apps.metrics.pages import refuse, tier_of
from apps.metrics.ranges import CHOICES, LABELS, BadRange, Range, read_range
from apps.metrics.units import show
from apps.queries.history import ALL, EVERY
from apps.queries.minutes import COUNTED, Minutes
from apps.queries.statement import CHARTS, WANTED, Course, Spent
from apps.queries.texts import texts_of

ALWAYS = {"calls", "mean", "share", "rows", "band", "blocks"}
LARGEST = 2**63
POINTS = 300


@dataclass(frozen=True, slots=True)
class StatementPage:
    """What the page of a statement shows."""

    tier: Tier
    queryid: str
    text: str
    within: Range
    version: str
    verdict: str
    facts: Sequence[tuple[str, str]]
    drawings: Sequence[Drawing]
    spent: Sequence[Spent]
    counted: Sequence[tuple[str, Row, datetime]]
    nodes: Sequence[str]
    may_explain: bool

    @property
    def base(self) -> str:
        """Its address."""
        return f"/t/{self.tier.slug}/queries/{self.queryid}/"

    @property
    def ranges(self) -> Sequence[tuple[str, str]]:
        """Ranges to choose from."""
        return [(name, str(LABELS[name])) for name in CHOICES]

    @property
    def polled_at(self) -> datetime | None:
        """When its figures were read last."""
        return max((at for _node, _row, at in self.counted), default=None)


@allow(Permission.VIEW)
@require_GET
def statement(request: HttpRequest, tier: str, queryid: str) -> HttpResponse:
    """The page; asked by htmx, what refreshes of it, or 204 when nothing was measured since."""
    try:
        within = read_range(request.GET, timezone.now())
    except BadRange as problem:
        return refuse(request, problem)
    found = tier_of(request, tier)
    htmx = bool(getattr(request, "htmx", False))
    if htmx and request.GET.get("version") == store.version(found):
        return HttpResponse(status=204)
    page = page_of(request, found, queryid, within)
    return render(request, "queries/statement.html#live" if htmx else "queries/statement.html", {"page": page})


@allow(Permission.VIEW)
@require_GET
def statement_file(request: HttpRequest, tier: str, queryid: str, chart: str, form: str) -> HttpResponse:
    """The figures of one of its charts as CSV or JSON."""
    found, chosen = tier_of(request, tier), next((one for one in CHARTS if one.id == chart), None)
    if chosen is None or form not in {"csv", "json"}:
        raise Http404(f"There is no {chart}.{form} here.")
    try:
        within = read_range(request.GET, timezone.now())
    except BadRange as problem:
        return refuse(request, problem)
    course = course_of(found, _checked(queryid), within)
    lines = course.drawn(chosen, next((spent.node for spent in course.spent()), ""))
    name = f"{found.slug}-statement-{queryid}-{chart}"
    if form == "json":
        series = [{"metric": i.metric, "node": i.node, "times": i.times, "values": i.values} for i in lines]
        return json_file(name, {"tier": found.slug, "statement": queryid, "unit": chosen.unit.value, "series": series})
    rows = (
        [i.metric, i.node, datetime.fromtimestamp(at, UTC), v]
        for i in lines
        for at, v in zip(i.times, i.values, strict=True)
    )
    return csv_file(name, ["metric", "node", "at", f"value ({chosen.unit.value})"], rows)


def page_of(request: HttpRequest, tier: Tier, queryid: str, within: Range) -> StatementPage:
    """Everything the page shows. Raises Http404 for a statement of which nothing is known."""
    _checked(queryid)
    course = course_of(tier, queryid, within)
    counted = _counted(tier, queryid)
    text = texts_of(tier, [queryid]).get(queryid) or next((row["query"] for _n, row, _a in counted if row["query"]), "")
    if not (course.nodes or counted or text):
        raise Http404("No server has listed a statement of this id.")
    spent = course.spent()
    names = [node.name for node in Node.objects.filter(tier=tier).order_by("pk")]
    return StatementPage(
        tier=tier,
        queryid=queryid,
        text=text,
        within=within,
        version=store.version(tier),
        verdict=_verdict(spent, within),
        facts=_facts(spent, _costs(tier, queryid)),
        drawings=_drawings(course, spent, within, names),
        spent=spent,
        counted=counted,
        nodes=_servers(tier, spent),
        may_explain=permitted(request.user, Permission.EXPLAIN, tier.slug),
    )


def course_of(tier: Tier, queryid: str, within: Range) -> Course:
    """Its lines within a range, and those of all statements together; a step is a minute at least, as statements are read then."""
    points = max(1, min(POINTS, int((within.end - within.start) / EVERY)))
    objects = [queryid, ALL]
    lines = store.lines(tier, WANTED, within.start, within.end, points=points, objects=objects)
    counts = store.lines(tier, [COUNTED], within.start, within.end, points=points, reduce="count", objects=objects)
    return Course(lines, Minutes(counts), queryid)


def _checked(queryid: str) -> str:
    if not queryid.removeprefix("-").isdecimal() or not -LARGEST <= int(queryid) < LARGEST:
        raise Http404("An id of a statement is a whole number.")
    return queryid


def _counted(tier: Tier, queryid: str) -> list[tuple[str, Row, datetime]]:
    """Its present counters on each server that lists it, with when they were read."""
    answers = store.answers(tier, ["queries.top"])["queries.top"]
    return [(row["node"], row, part.at) for part in answers for row in part.rows if row["object"] == queryid]


def _costs(tier: Tier, queryid: str) -> list[Row]:
    answers = store.answers(tier, ["queries.costs"])["queries.costs"]
    return [row for part in answers for row in part.rows if row["object"] == queryid]


def _servers(tier: Tier, spent: Sequence[Spent]) -> list[str]:
    """The servers a plan can be asked of, the one that spends the most on it first."""
    place = {one.node: number for number, one in enumerate(spent)}
    nodes = Node.objects.filter(tier=tier, kind=NodeKind.POSTGRES.value).order_by("id").values_list("name", flat=True)
    return sorted(nodes, key=lambda name: place.get(name, len(place)))


def _drawings(course: Course, spent: Sequence[Spent], within: Range, nodes: Sequence[str]) -> list[Drawing]:
    busiest = spent[0].node if spent else ""
    made = []
    for chart in CHARTS:
        lines = course.drawn(chart, busiest)
        if chart.id in ALWAYS or any(value for line in lines for value in line.values):
            drawing = draw(chart, lines, within, nodes, Judged(None))
            made.append(_as_band(drawing) if chart.id == "band" else drawing)
    return made


def _as_band(drawing: Drawing) -> Drawing:
    """One colour for the mean and its band, which is filled."""
    for place, trace in enumerate(drawing.figure["data"]):
        trace["meta"]["colour"] = 0
        trace["line"] |= {"width": 1.8 if place == 1 else 0.8}
        trace.update({"fill": "tonexty"} if place else {})
    for label in drawing.figure["layout"]["annotations"]:
        label["name"] = "end-0"
    return drawing


def _verdict(spent: Sequence[Spent], within: Range) -> str:
    if not any(one.calls for one in spent):
        return _("It was not among the costliest statements in this range: %(range)s.") % {"range": within.words}
    first = spent[0]
    words: Mapping[str, str] = {
        "calls": show(first.calls, Unit.PER_SECOND),
        "mean": show(first.mean_ms, Unit.MILLISECONDS),
        "node": first.node,
        "share": show(first.share, Unit.RATIO),
    }
    if first.share is None:
        return _("On %(node)s it is called %(calls)s, for %(mean)s each.") % words
    return _("It takes %(share)s of the statements’ time on %(node)s: called %(calls)s, for %(mean)s each.") % words


def _facts(spent: Sequence[Spent], costs: Sequence[Row]) -> list[tuple[str, str]]:
    """What it does in this range on the server that spends the most on it, and its extremes since the counters were reset."""
    found: list[tuple[str, str]] = []
    if spent:
        first = spent[0]
        rows = (
            (_("Rows a call"), first.rows_a_call, Unit.COUNT),
            (_("Blocks found in buffers"), first.hit_ratio, Unit.RATIO),
        )
        found += [(label, show(value, unit)) for label, value, unit in rows if value is not None]
    if costs:
        least, most = min(row["least_ms"] for row in costs), max(row["most_ms"] for row in costs)
        text = _("%(least)s to %(most)s, since the counters were reset") % {
            "least": show(least, "ms"),
            "most": show(most, "ms"),
        }
        found.append((_("Single calls"), text))
    return found
