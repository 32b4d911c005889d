"""The plan of a statement on demand: what was asked, the plan, or why there is none and what to do."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

import structlog
from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from apps.accounts.policy import Permission, allow
from apps.metrics.kernel import NodeKind
from apps.metrics.models import Tier
from apps.metrics.pages import tier_of
from apps.metrics.poll import targets_of
from apps.metrics.ranges import read_range
from apps.metrics.readers import Target
from apps.queries.advice import Guess
from apps.queries.explain import LONGEST_VALUE, MOST_PARAMETERS, NoPlan, Planned, Problem, explain
from apps.queries.plan import Step, steps
from apps.queries.statement_views import page_of

log = structlog.get_logger()
EXAMPLES = {
    **dict.fromkeys(("smallint", "integer", "bigint"), "42"),
    **dict.fromkeys(("numeric", "real", "double precision"), "4.2"),
    **dict.fromkeys(("timestamp with time zone", "timestamp without time zone"), "2026-03-01 10:00"),
    "date": "2026-03-01",
    "interval": "30 days",
    "boolean": "true",
    "bytea": r"\x00ff",
    "uuid": "00000000-0000-0000-0000-000000000000",
    "jsonb": '{"a": 1}',
}
SAYS = {
    Problem.UNREACHABLE: gettext_lazy("The server did not answer. Look at its node, then ask again."),
    Problem.GONE: gettext_lazy("The server no longer keeps this statement: its statistics were reset, or it was dropped from a full list."),
    Problem.ELSEWHERE: gettext_lazy("It is executed in another database of this server than the one that the portal is connected to."),
    Problem.KIND: gettext_lazy(
        "It cannot be prepared: it is no SELECT, INSERT, UPDATE, DELETE or MERGE, or a constant stood where no parameter may stand, "
        "as in INTERVAL '1 day'."
    ),
    Problem.DENIED: gettext_lazy("The polling login lacks a privilege that planning this statement needs."),
    Problem.VALUE: gettext_lazy("A value is not of its parameter’s type. Correct it and ask again."),
    Problem.LOCKED: gettext_lazy("A session holds one of its tables against everybody (DDL). Look at who blocks whom, then ask again."),
    Problem.SLOW: gettext_lazy("Planning took longer than the portal waits (5 s in all). Nothing goes on there: the server ended it."),
    Problem.REFUSED: gettext_lazy("The server refuses to plan it; the reason is below."),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of asking for a plan; `parameters`: number, type, example and typed value of each."""

    node: str
    at: datetime
    seconds: float
    steps: Sequence[Step] = ()
    generic: bool = False
    guesses: Sequence[Guess] = ()
    judged: bool = False
    parameters: Sequence[tuple[int, str, str, str]] = ()
    problem: str = ""
    said: str = ""
    grant: str = ""
    by_hand: str = ""
    typed: Mapping[str, str] = field(default_factory=dict)


class Question(forms.Form):
    """Of which server the plan is asked, and the values of the statement's parameters (p1, p2 …, null1, null2 …) once they are known."""

    node = forms.SlugField(max_length=60)
    count = forms.IntegerField(required=False, min_value=0, max_value=MOST_PARAMETERS)

    def values(self) -> list[str | None] | None:
        """The values in order, NULL where it was ticked; None where none were asked for yet."""
        count = self.cleaned_data["count"]
        if not count:
            return None
        return [None if f"null{n}" in self.data else self.data.get(f"p{n}", "") for n in range(1, count + 1)]

    def clean(self) -> None:
        """A value is a text of bounded length without zero bytes."""
        for name, value in self.data.items():
            if re.fullmatch(r"p\d+", name) and (len(value) > LONGEST_VALUE or "\x00" in value):
                raise forms.ValidationError(
                    _("The value %(name)s is longer than %(most)d characters, or holds a zero byte. Shorten it.")
                    % {"name": name, "most": LONGEST_VALUE}
                )


@allow(Permission.EXPLAIN)
@require_POST
def plan(request: HttpRequest, tier: str, queryid: str) -> HttpResponse:
    """Ask one server for the plan now; 422 where a value is wrong, 409 where there is none for another reason."""
    found = tier_of(request, tier)
    page = page_of(request, found, queryid, read_range(request.GET, timezone.now()))
    form = Question(request.POST)
    if not form.is_valid():
        words = " ".join(str(text) for texts in form.errors.values() for text in texts)
        asked, status = Asked("", timezone.now(), 0.0, problem=words), 422
    else:
        node = _server(found, form.cleaned_data["node"])
        asked, status = _ask(node, int(queryid), page.text, form.values(), request.POST)
        log.info("plan.asked", tier=tier, node=node.name, statement=queryid, problem=asked.problem or None)
    template = "queries/statement.html#plan" if getattr(request, "htmx", False) else "queries/statement.html"
    return render(request, template, {"page": page, "asked": asked}, status=status)


def _server(tier: Tier, name: str) -> Target:
    """The PostgreSQL server of this name; raises Http404 where the tier has none."""
    found = next((one for one in targets_of(tier) if one.name == name and one.kind is NodeKind.POSTGRES), None)
    if found is None:
        raise Http404("This tier has no PostgreSQL server of this name.")
    return found


def _ask(
    node: Target, queryid: int, text: str, values: list[str | None] | None, typed: Mapping[str, str]
) -> tuple[Asked, int]:
    at, started = datetime.now(UTC), monotonic()
    try:
        planned = explain(node, queryid, values)
    except NoPlan as problem:
        kept = _parameters([typed.get(f"type{n}", "") for n in range(1, len(values or ()) + 1)], typed)
        status = 422 if problem.problem is Problem.VALUE else 409
        return Asked(
            node.name, at, monotonic() - started, parameters=kept, problem=str(SAYS[problem.problem]), said=problem.said,
            grant=problem.grant, by_hand=by_hand(text) if problem.problem is Problem.DENIED else "",
        ), status  # fmt: skip
    return _shown(node.name, at, monotonic() - started, planned, typed), 200


def _shown(node: str, at: datetime, seconds: float, planned: Planned, typed: Mapping[str, str]) -> Asked:
    parameters = _parameters(planned.types[:MOST_PARAMETERS], typed)
    return Asked(node, at, seconds, steps(planned.plan), planned.generic, planned.guesses, planned.judged, parameters)


def _parameters(types: Sequence[str], typed: Mapping[str, str]) -> list[tuple[int, str, str, str]]:
    return [(n, kind[:60], EXAMPLES.get(kind, ""), typed.get(f"p{n}", "")) for n, kind in enumerate(types, 1)]


def by_hand(text: str) -> str:
    """What somebody with the privilege can type in psql to see the same plan."""
    prepared = f"PREPARE plan AS\n{text.rstrip().rstrip(';')};"
    return f"SET plan_cache_mode = force_generic_plan;\n{prepared}\nEXPLAIN EXECUTE plan (NULL, …);  -- as many as it has parameters"
