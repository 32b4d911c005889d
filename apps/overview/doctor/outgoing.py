"""Whom the portal tells and where it keeps samples elsewhere: mail server, webhooks and the store of history, reached without sending."""

import smtplib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial

import httpx
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import get_connection
from django.db import DatabaseError
from django.utils import timezone

from apps.metrics import webhook
from apps.metrics.alerting import ChannelKind, DeliveryState
from apps.metrics.models import Channel, Delivery, Forwarding, Unsent
from apps.metrics.secrets import unseal
from apps.overview.doctor.finding import Finding, State
from apps.overview.doctor.together import together

WITHIN_SECONDS = 5.0
MARGIN = 1.0  # for resolving a name, which has no time-out of its own
WAITS_LONG = timedelta(minutes=2)
MAIL = ("outgoing.mail", "Mail server")
HISTORY = ("outgoing.history", "Store of history")
MAIL_REMEDY = "Check OPSPORTAL_EMAIL_URL and OPSPORTAL_EMAIL_PASSWORD, and that the portal's host may reach it."


def examine(*, store: bool, tier: str = "") -> Iterator[Finding]:
    """`store`: whether channels can be read; `tier`: only its channels. A channel's address is a key: only what may be seen is told."""
    channels, lost, told = [], {}, "unknown while the store does not answer"
    try:
        if store:
            channels, told = list(_channels(tier)), ""
            lost = _lost(channels)
    except DatabaseError as error:
        told = f"the store did not say ({type(error).__name__})"
    hooks = [channel for channel in channels if channel.kind != ChannelKind.EMAIL]
    jobs: dict[object, Callable[[], Finding]] = {channel.pk: partial(_hook, channel) for channel in hooks}
    if settings.EMAIL_HOST:
        jobs[MAIL] = _mail
    if settings.HISTORY == "prometheus":
        jobs[HISTORY] = _history
    found = together(jobs, WITHIN_SECONDS + MARGIN)
    if store or settings.EMAIL_HOST:
        yield _mail_finding(found, [channel.name for channel in channels if channel.kind == ChannelKind.EMAIL])
    if told:
        yield Finding("outgoing.channels", "Channels", State.UNKNOWN, told)
    reached = {hook.pk: found.get(hook.pk) or _silent(_of(hook), hook.tier.slug) for hook in hooks}
    yield from (lost.get(pk, one) if one.state is State.FINE else one for pk, one in reached.items())
    yield from (one for pk, one in lost.items() if pk not in reached)
    if not channels and not told:
        yield Finding(
            "outgoing.channels",
            "Channels",
            State.WARNING,
            "none: alerts are told to nobody",
            "Add one on *Alerts → Who is told*.",
        )
    if HISTORY in jobs:
        history = found.get(HISTORY) or _silent(HISTORY)
        yield (_not_taken() if store and history.state is State.FINE else None) or history


def _not_taken() -> Finding | None:
    """What a store that answers queries says of the samples that wait for it; None where none wait for long."""
    try:
        waiting = Unsent.objects.filter(at__lt=timezone.now() - WAITS_LONG).count()
        said = Forwarding.objects.values_list("message", flat=True).first() if waiting else ""
    except DatabaseError as error:
        return Finding(*HISTORY, State.UNKNOWN, f"the store did not say what waits ({type(error).__name__})")
    if not waiting:
        return None
    many = "one poll waits" if waiting == 1 else f"{waiting} polls wait"
    told = f"answers queries, but {many} to be taken. It said: {said or 'nothing, as the worker sent nothing'}"
    remedy = "Let it take remote write (Prometheus: --web.enable-remote-write-receiver) with OPSPORTAL_HISTORY_TOKEN."
    return Finding(*HISTORY, State.FAILURE, told, remedy)


def _channels(tier: str) -> Iterator[Channel]:
    found = Channel.objects.filter(removed_at=None).select_related("tier").order_by("tier_id", "name")
    yield from found.filter(tier__slug=tier) if tier else found


def _lost(channels: Sequence[Channel]) -> dict[int, Finding]:
    """Of the channels whose last message never arrived: that they can be reached does not mean that they take one."""
    decided = Delivery.objects.filter(channel__in=channels).exclude(state=DeliveryState.PENDING)
    last = decided.order_by("channel_id", "-made_at").distinct("channel_id").select_related("channel__tier")
    return {one.channel.pk: _never(one, one.channel) for one in last if one.channel and one.state != DeliveryState.SENT}


def _never(delivery: Delivery, channel: Channel) -> Finding:
    told = (
        f"{channel.shown}: the last message, of {delivery.made_at:%Y-%m-%d %H:%M} UTC, was given up. {delivery.problem}"
    )
    remedy = "See its log on *Alerts → Who is told*, mend what it says, and *Send a test*."
    return Finding(*_of(channel), State.FAILURE, told, remedy, tier=channel.tier.slug)


def _of(channel: Channel) -> tuple[str, str]:
    return "outgoing.channel", f"Channel {channel.name}"


def _silent(of: tuple[str, str], tier: str = "") -> Finding:
    told = f"It did not answer within {WITHIN_SECONDS + MARGIN:g} s."
    return Finding(
        *of, State.FAILURE, told, "Check that the portal's host may reach it, and its name server.", tier=tier
    )


def _mail_finding(found: Mapping[object, Finding], channels: list[str]) -> Finding:
    if settings.EMAIL_HOST:
        return found.get(MAIL) or _silent(MAIL)
    if channels:
        told = f"none, though {', '.join(channels)} would send mail."
        return Finding(*MAIL, State.FAILURE, told, "Set OPSPORTAL_EMAIL_URL and restart web and worker.")
    return Finding(*MAIL, State.FINE, "none, and no channel sends mail")


def _mail() -> Finding:
    """Connects and logs in as for sending, and hangs up."""
    where = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    server = get_connection(timeout=WITHIN_SECONDS)
    try:
        server.open()
        server.close()
    except (smtplib.SMTPException, OSError) as error:
        told = webhook.masked(error, [settings.EMAIL_HOST_PASSWORD])
        return Finding(*MAIL, State.FAILURE, f"{where}: {told}", MAIL_REMEDY)
    return Finding(*MAIL, State.FINE, f"{where} {'lets the portal log in' if settings.EMAIL_HOST_USER else 'answers'}")


def _hook(channel: Channel) -> Finding:
    of, tier, where = _of(channel), channel.tier.slug, channel.shown
    try:
        url = unseal(channel.target)
    except ImproperlyConfigured as error:
        return Finding(*of, State.FAILURE, str(error), "Add the channel again.", tier=tier)
    try:
        parts = webhook.allowed(url)
        webhook.reach(parts, webhook.resolve(parts), WITHIN_SECONDS)
    except webhook.Forbidden as error:
        what, _stop, remedy = str(error).partition(". ")
        return Finding(*of, State.FAILURE, what, remedy, tier=tier)
    except (OSError, UnicodeError) as error:
        told = webhook.masked(error, [url])
        return Finding(*of, State.FAILURE, f"{where}: {told}", "Check that the portal's host may reach it.", tier=tier)
    return Finding(*of, State.FINE, f"{where} is reached; *Send a test* shows whether it accepts messages", tier=tier)


def _history() -> Finding:
    bearer = {"Authorization": f"Bearer {settings.HISTORY_TOKEN}"} if settings.HISTORY_TOKEN else {}
    try:
        with httpx.Client(base_url=settings.HISTORY_URL, headers=bearer, timeout=WITHIN_SECONDS) as client:
            client.get("/api/v1/query", params={"query": "1"}).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        told = webhook.masked(error, [settings.HISTORY_URL, settings.HISTORY_TOKEN])
        return Finding(
            *HISTORY,
            State.FAILURE,
            told,
            "Check OPSPORTAL_HISTORY_URL and OPSPORTAL_HISTORY_TOKEN; samples wait meanwhile.",
        )
    return Finding(*HISTORY, State.FINE, "answers queries")
