"""Where a tier's alerts are told: channels, a test of each, and the log of what was sent."""

from datetime import UTC, datetime

import structlog
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST
from kombu.exceptions import OperationalError

from apps.accounts.models import Person
from apps.accounts.policy import Permission, allow, permitted
from apps.ledger.chain import append
from apps.metrics import announce
from apps.metrics.alerting import ChannelKind, DeliveryState
from apps.metrics.channel_forms import ChannelForm
from apps.metrics.channels import what
from apps.metrics.models import Channel, Delivery, Tier
from apps.metrics.tasks import deliver

LOGGED = 100
log = structlog.get_logger()


@allow(Permission.VIEW)
@require_GET
def channels(request: HttpRequest, tier: str) -> HttpResponse:
    """The channels, the log of deliveries, and the form of the kind that was chosen (`?kind=`) for whoever may change them."""
    found = get_object_or_404(Tier, slug=tier)
    return _page(request, found, ChannelForm(tier=found, kind=request.GET.get("kind", "")))


@allow(Permission.EDIT_CHANNELS)
@require_POST
def add(request: HttpRequest, tier: str) -> HttpResponse:
    """Add a channel; 422 with what is wrong. Its address and secret are not shown again."""
    found, person = get_object_or_404(Tier, slug=tier), request.user
    assert isinstance(person, Person)  # the policy lets nobody else through
    form = ChannelForm(request.POST, tier=found)
    if not form.is_valid():
        return _page(request, found, form, status=422)
    channel = form.channel(person)
    try:
        with transaction.atomic():
            channel.save()
            _record("channel.add", channel, person)
    except IntegrityError:
        if not Channel.objects.filter(tier=found, name=channel.name, removed_at=None).exists():
            raise
        form.refuse_taken()
        return _page(request, found, form, status=422)
    messages.success(request, _("%(name)s was added. Send a test to see that it arrives.") % {"name": channel.name})
    return redirect("metrics:channels", tier=tier)


@allow(Permission.EDIT_CHANNELS)
@require_POST
def test(request: HttpRequest, tier: str, channel: int) -> HttpResponse:
    """Put a test into the outbox; the log says how it went."""
    found = _channel(tier, channel)
    with transaction.atomic():
        announce.test(found, request.user.get_username())
        transaction.on_commit(_send_now)
    messages.success(request, _("A test is on its way; the log below says within seconds how it went."))
    return redirect("metrics:channels", tier=tier)


@allow(Permission.EDIT_CHANNELS)
@require_GET
def removing(request: HttpRequest, tier: str, channel: int) -> HttpResponse:
    """Ask before a channel is removed, and say what is lost: nobody can read its address and secret back."""
    found = _channel(tier, channel)
    waiting = found.deliveries.filter(state=DeliveryState.PENDING).count()
    last = not Channel.objects.filter(tier=found.tier, removed_at=None).exclude(pk=found.pk).exists()
    page = {"tier": found.tier, "channel": found, "waiting": waiting, "last": last}
    return render(request, "metrics/channel_removing.html", page)


@allow(Permission.EDIT_CHANNELS)
@require_POST
def remove(request: HttpRequest, tier: str, channel: int) -> HttpResponse:
    """Stop telling a channel; its log stays, its address and secret go."""
    found, person = _channel(tier, channel), request.user
    assert isinstance(person, Person)
    with transaction.atomic():
        found.removed_at, found.target, found.secret = datetime.now(UTC), "", ""
        found.save(update_fields=["removed_at", "target", "secret"])
        waiting = found.deliveries.filter(state=DeliveryState.PENDING)
        waiting.update(state=DeliveryState.GIVEN_UP, problem=_("The channel was removed."))
        _record("channel.remove", found, person)
    messages.success(request, _("%(name)s is told nothing more.") % {"name": found.name})
    return redirect("metrics:channels", tier=tier)


def _send_now() -> None:
    """Order a delivery without waiting for beat's; where the queue takes nothing, beat's next turn sends it."""
    try:
        deliver.apply_async(expires=5, retry=False)
    except OperationalError as error:
        log.warning("delivery not ordered", problem=type(error).__name__)


def _channel(tier: str, pk: int) -> Channel:
    return get_object_or_404(Channel.objects.select_related("tier"), tier__slug=tier, pk=pk, removed_at=None)


def _record(kind: str, channel: Channel, by: Person) -> None:
    append(
        kind=kind,
        subject=f"tier/{channel.tier.slug}/channel/{channel.pk}",
        actor=by.get_username(),
        body={"name": channel.name, "kind": channel.kind, "to": channel.shown, "least": channel.least},
        tier=channel.tier.slug,
    )


def _page(request: HttpRequest, tier: Tier, form: ChannelForm, status: int = 200) -> HttpResponse:
    page = {
        "tier": tier,
        "form": form,
        "kinds": ChannelKind.choices,
        "channels": Channel.objects.filter(tier=tier, removed_at=None).select_related("made_by"),
        "log": [(one, what(one.message)) for one in _log(tier)[:LOGGED]],
        "may_edit": permitted(request.user, Permission.EDIT_CHANNELS, tier.slug),
    }
    return render(request, "metrics/channels.html", page, status=status)


def _log(tier: Tier) -> QuerySet[Delivery]:
    """What was sent of a tier, to its channels and to people whose turn it was, the newest first."""
    to_people = Q(person__isnull=False, message__tier=tier.slug)
    return Delivery.objects.filter(Q(channel__tier=tier) | to_people).select_related("channel", "person")
