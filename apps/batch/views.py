"""Remembered runs: the list, one of them live, and cancelling it. Policies stand in `apps.accounts.third_party`."""

from collections.abc import Sequence

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from apps.batch.models import Job
from apps.batch.result import State
from apps.batch.resume import token_of_job
from apps.batch.running import told
from apps.batch.signals import cancel_asked

LISTED = 100
CANCEL = "cancel_batch"  # of `apps.accounts.policy.Permission`, a floor above


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """The newest runs; asked by htmx, the list alone, or 204 when nothing changed."""
    found = told(Job.objects.all()[:LISTED])
    running = sum(job.state == State.RUNNING for job in found)
    context = {"jobs": found, "running": running, "version": _version(found), "now": timezone.now()}
    return _live(request, "batch/index.html", context)


@require_GET
def job(request: HttpRequest, job: int) -> HttpResponse:
    """One run; its progress refreshes while it goes on."""
    found = told(Job.objects.filter(pk=job))
    if not found:
        raise Http404(f"There is no batch {job}.")
    (shown,) = found
    may, left = CANCEL in getattr(request, "may", ()), shown.state not in {State.RUNNING, State.COMPLETE}
    context = {
        "job": shown,
        "version": _version(found),
        "now": timezone.now(),
        "running": shown.state == State.RUNNING,
        "more": f"{shown.errors_total}-{shown.state}",  # what stands below the form is left alone until it changes
        "may_cancel": may and shown.state == State.RUNNING and not shown.cancel_asked_at,
        "token": token_of_job(shown.pk) if may and (left or shown.missing) else "",
    }
    return _live(request, "batch/job.html", context)


@require_POST
def cancel(request: HttpRequest, job: int) -> HttpResponse:
    """Ask a run to end, wherever it runs: it looks between its chunks. Nothing changes where it has ended."""
    with transaction.atomic():
        found = told(Job.objects.select_for_update().filter(pk=job))
        if not found:
            raise Http404(f"There is no batch {job}.")
        (asked,) = found
        if asked.state != State.RUNNING or asked.cancel_asked_at:
            messages.warning(request, _("This run has ended or was asked to end already; nothing was changed."))
            return redirect("batch:job", job=job)
        asked.cancel_asked_at, asked.cancel_asked_by = timezone.now(), request.user.get_username()
        asked.save(update_fields=["cancel_asked_at", "cancel_asked_by"])
        cancel_asked.send(Job, job=asked, actor=asked.cancel_asked_by)
    messages.success(request, _("The run ends after the chunks that are being written. What was written stays."))
    return redirect("batch:job", job=job)


def _version(found: Sequence[Job]) -> str:
    """Changes with every note of a run, with its state and with an order to end."""
    newest = max((job.noted_at for job in found), default=None)
    states = "".join(f"{job.state[:2]}{'!' if job.cancel_asked_at else ''}" for job in found)
    return f"{newest:%Y%m%dT%H%M%S%f}-{len(found)}-{states}" if newest else "none"


def _live(request: HttpRequest, template: str, context: dict[str, object]) -> HttpResponse:
    htmx = bool(getattr(request, "htmx", False))
    if htmx and request.GET.get("version") == context["version"]:
        return HttpResponse(status=204)
    return render(request, f"{template}#live" if htmx else template, context)
