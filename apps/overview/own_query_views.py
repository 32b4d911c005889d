"""The portal's own queries: their page, one statement's page with its course, and both as files."""

from collections.abc import Callable, Sequence
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET
from redis import RedisError

from apps.accounts.policy import Permission, allow
from apps.metrics.exports import csv_file, json_file
from apps.overview import own_queries
from apps.telemetry import figures, monitor
from apps.telemetry.windows import HOUR, SPANS, Span

FORMS = {"csv", "json"}


@allow(Permission.SEE_LOGS)
@require_GET
def queries(request: HttpRequest) -> HttpResponse:
    """All statements of the last hour (`?span=day`: of the day) by total time; 503 while Redis is away."""
    span = _span(request)
    context = {"span": span, "spans": SPANS.values(), "limits": monitor.limits}
    try:
        found = figures.overview(span)
    except RedisError:
        return render(request, "overview/own_queries.html", context | {"away": True}, status=503)
    live = bool(getattr(request, "htmx", False))
    version = f"{span.name}-{found.whole.calls}"
    if live and request.GET.get("version") == version:
        return HttpResponse(status=204)
    context |= {"found": found, "version": version}
    return render(request, "overview/own_queries.html#live" if live else "overview/own_queries.html", context)


@allow(Permission.SEE_LOGS)
@require_GET
def query(request: HttpRequest, fingerprint: str) -> HttpResponse:
    """One statement: how it went in each window, as charts and a table, its text, who sends it, its slow ones."""
    span = _span(request)
    context: dict[str, Any] = {"span": span, "spans": SPANS.values(), "fingerprint": fingerprint}
    try:
        found = figures.course(span, fingerprint)
    except RedisError:
        return render(request, "overview/own_query.html", context | {"away": True}, status=503)
    if found is None and not figures.ran(fingerprint):
        raise Http404("No such statement ran within the last day.")
    if found is not None:
        context |= {"found": found, "page": own_queries.shown(found, timezone.now())}
    return render(request, "overview/own_query.html", context)


@allow(Permission.SEE_LOGS)
@require_GET
def queries_file(request: HttpRequest, form: str) -> HttpResponse:
    """All statements of the span as CSV or JSON, those too that the page has no room for; 503 while Redis is away."""
    _known(form)
    span = _span(request)
    return _answered(
        lambda: _file(
            f"own-queries-{span.name}",
            form,
            own_queries.STATEMENTS,
            [own_queries.statement_row(row) for row in figures.overview(span, None).rows],
        )
    )


@allow(Permission.SEE_LOGS)
@require_GET
def query_file(request: HttpRequest, fingerprint: str, table: str, form: str) -> HttpResponse:
    """A table of one statement, or the figures of a chart of it, as CSV or JSON; 503 while Redis is away."""
    _known(form)
    if table not in {"windows", "slow", *own_queries.CHARTS}:
        raise Http404(f"There is no {table}.{form} here.")
    span = _span(request)

    def made() -> HttpResponse:
        found = figures.course(span, fingerprint)
        if found is None:
            raise Http404("No such statement ran in this time.")
        head, rows = _table(found, table)
        return _file(f"own-query-{fingerprint}-{table}-{span.name}", form, head, rows)

    return _answered(made)


def _table(found: figures.Course, table: str) -> tuple[Sequence[str], list[list[Any]]]:
    if table == "windows":
        return own_queries.WINDOWS, [own_queries.window_row(at, said) for at, said in found.steps]
    if table == "slow":
        return own_queries.SLOW, [own_queries.slow_row(one) for one in found.slow]
    chart = own_queries.CHARTS[table]
    return ("name", "from", f"value ({chart.unit.value})"), own_queries.point_rows(found, chart, timezone.now())


def _span(request: HttpRequest) -> Span:
    return SPANS.get(request.GET.get("span", ""), HOUR)


def _known(form: str) -> None:
    if form not in FORMS:
        raise Http404("Tables are there as csv and json.")


def _answered(made: Callable[[], HttpResponse]) -> HttpResponse:
    try:
        return made()
    except RedisError:
        text = _("The figures cannot be read: the portal's Redis does not answer. /readyz says what to look at.")
        return HttpResponse(text, status=503, content_type="text/plain; charset=utf-8")


def _file(name: str, form: str, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> HttpResponse:
    if form == "csv":
        return csv_file(name, head, rows)
    return json_file(name, {"rows": [dict(zip(head, row, strict=True)) for row in rows]})
