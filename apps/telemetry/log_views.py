"""The page of the portal's last log lines."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET
from redis import RedisError

from apps.accounts.policy import Permission, allow
from apps.ledger.forms import MomentField
from apps.telemetry import lines, tracing
from apps.telemetry.correlation import WELL_FORMED

SHOWN = 200


class Filter(forms.Form):
    """Which lines; every field is optional, times are in the portal's zone."""

    correlation_id = forms.RegexField(
        rf"^(?:{WELL_FORMED.pattern})\Z",
        label=_("Correlation id"),
        required=False,
        max_length=128,
        error_messages={"invalid": _("An id has letters, digits and . _ : / + = - only.")},
    )
    level = forms.ChoiceField(
        label=_("Level, at least"),
        required=False,
        choices=[("", _("Every level")), *((name, name) for name in lines.LEVELS)],
    )
    program = forms.CharField(
        label=_("Process"),
        required=False,
        max_length=60,
        widget=forms.TextInput(attrs={"placeholder": "web, worker, beat"}),
    )
    text = forms.CharField(label=_("Text"), required=False, max_length=200)
    since = MomentField(label=_("From"), required=False)

    def wanted(self) -> lines.Wanted:
        """What a valid form asks for."""
        return lines.Wanted(**self.cleaned_data)


@allow(Permission.SEE_LOGS)
@require_GET
def logs(request: HttpRequest) -> HttpResponse:
    """The newest lines, filtered; 400 with the reasons for a filter that makes no sense, 503 while Redis is away."""
    form, live = Filter(request.GET), bool(getattr(request, "htmx", False))
    query = request.GET.copy()
    query.pop("version", None)
    context: dict[str, Any] = {
        "form": form,
        "query": query.urlencode(),
        "found": lines.Found(),
        "kept": lines.most(),
        "traces": tracing.state(),
    }
    if not form.is_valid():
        return render(request, "telemetry/logs.html", context, status=400)
    try:
        found = lines.find(form.wanted(), SHOWN)
    except RedisError:
        return render(request, "telemetry/logs.html", context | {"away": True}, status=503)
    version = f"{found.lines[0].id if found.lines else '0'}-{len(found.lines)}"
    if live and request.GET.get("version") == version:
        return HttpResponse(status=204)
    context |= {"found": found, "version": version}
    return render(request, "telemetry/logs.html#live" if live else "telemetry/logs.html", context)
