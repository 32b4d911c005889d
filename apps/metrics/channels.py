"""The kinds of channel: how each writes a message and how it is sent. A new kind is a function here and a word in `ChannelKind`."""

import hashlib
import hmac
import smtplib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from apps.metrics import mailing, webhook
from apps.metrics.alerting import Channel, ChannelKind, Delivery
from apps.metrics.announce import Change, Told
from apps.metrics.secrets import unseal
from apps.metrics.templatetags.figures import word_of

VERSION = "1"
SLACK_MOST, SLACK_HEAD, SLACK_LINE = 2900, 250, 300  # of a block's 3000 characters; escaped, one may be five
_WORDS = {
    Change.OPENED: "opened",
    Change.WORSE: "worse",
    Change.RESOLVED: "over",
    Change.TEST: "test",
    Change.NEWS: "news",
    Change.TURN: "your turn",
}
_OF_NO_ALERT = {Change.TEST, Change.NEWS, Change.TURN}
_LASTING = {400, 401, 403, 404, 405, 410, 413, 415, 422}  # asking again would be answered alike


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one attempt ended. `again`: whether a further one can help; `after`: seconds the receiver asked to wait."""

    sent: bool
    status: int | None = None
    problem: str = ""
    again: bool = True
    after: float | None = None


def send(delivery: Delivery) -> Outcome:
    """One attempt, whatever its kind; failures that are to be expected come back as values."""
    if delivery.channel is None:
        return _to_person(delivery)
    if not delivery.channel.target:
        return Outcome(sent=False, problem=_("The channel was removed."))
    try:
        return _SENDERS[ChannelKind(delivery.channel.kind)](delivery, delivery.channel)
    except ImproperlyConfigured as error:  # the channel was sealed with another key
        return Outcome(sent=False, problem=str(error))


def subject(message: Mapping[str, Any]) -> str:
    """A message in one line: how many changes of what, worst first.

    >>> change = {"change": "opened", "state": "fail", "title": "Replay lag"}
    >>> subject({"tier_name": "Lab", "node": "replica-1", "changes": [change]})
    'Lab · replica-1: Replay lag fails'
    >>> subject({"tier_name": "Lab", "node": "", "changes": [change | {"change": "resolved"}, change]})
    'Lab: Replay lag is over, and 1 more'
    """
    plain = message["changes"][0]["change"] in _OF_NO_ALERT
    where = " · ".join(filter(None, [message["tier_name"], "" if plain else message["node"]]))
    return f"{where}: {what(message)}"


def what(message: Mapping[str, Any]) -> str:
    """The subject without tier and node.

    >>> what({"changes": [{"change": "resolved", "state": "fail", "title": "Replay lag"}]})
    'Replay lag is over'
    """
    first, *rest = message["changes"]
    more = ngettext(", and %(n)d more", ", and %(n)d more", len(rest)) % {"n": len(rest)} if rest else ""
    if first["change"] in _OF_NO_ALERT:
        return f"{first['title']}{more}"
    told = _("is over") if first["change"] == Change.RESOLVED else word_of(first["state"])
    return f"{first['title']} {told}{more}"


def lines(message: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Each change in words with the address of its alert."""
    changes = [Told(**change) for change in message["changes"]]
    at = datetime.fromisoformat(message["at"])
    return [(flat(f"{_WORDS[Change(one.change)]}: {one.line(at)}"), one.url) for one in changes]


def flat(text: str) -> str:
    r"""Text in one line: what the tier wrote begins no line of its own, and nothing in it turns the rest around.

    >>> flat("slot\r\nover: all well \u202etxet")
    'slot  over: all well  txet'
    """
    return "".join(char if char.isprintable() or char == "\xa0" else " " for char in text)


def slack_body(message: Mapping[str, Any]) -> dict[str, Any]:
    """What Slack, Mattermost and the like understand: a text, and the same as blocks. What the tier wrote is escaped.

    Slack refuses a block that is too long: lines that do not fit are counted instead.
    """
    head = escaped(flat(subject(message))[:SLACK_HEAD])
    found, told = [f"• <{url}|{escaped(text[:SLACK_LINE])}>" for text, url in lines(message)], [f"*{head}*"]
    for place, line in enumerate(found):
        if sum(map(len, told)) + len(told) + len(line) > SLACK_MOST:
            left = len(found) - place
            told.append(ngettext("and %(n)d more", "and %(n)d more", left) % {"n": left})
            break
        told.append(line)
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(told)}}
    return {"text": head, "blocks": [section]}


def escaped(text: str) -> str:
    """Text that Slack shows as it is.

    >>> escaped("<!channel> & `x`")
    '&lt;!channel&gt; &amp; `x`'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "\N{BROKEN BAR}")


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The value of `X-Opsportal-Signature`: HMAC-SHA256 over the time, a dot and the exact body.

    >>> signature("secret", "1700000000", b"{}")
    'v1=b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163'
    """
    made = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256)
    return f"v1={made.hexdigest()}"


def _to_person(delivery: Delivery) -> Outcome:
    """By e-mail, where the person still wants it; the mail says why they get it and where they switch it off."""
    person = delivery.person
    if person is None or not person.told_by_mail:
        return Outcome(sent=False, problem=_("Switched off meanwhile, or no address is known."), again=False)
    where = f"{settings.ORIGIN}{reverse('people:me')}#notices"
    why = _("You hold a role that this waits for. Switch such mails off on your profile:")
    return _mail(delivery, [person.email], f"{why}\n{where}")


def _email(delivery: Delivery, channel: Channel) -> Outcome:
    return _mail(delivery, unseal(channel.target).split(","))


def _mail(delivery: Delivery, to: list[str], foot: str = "") -> Outcome:
    if not settings.EMAIL_HOST:
        text = _("No mail server is configured: set OPSPORTAL_EMAIL_URL and restart the worker.")
        return Outcome(sent=False, problem=text, again=True)
    text = "\n\n".join([*(f"{told}\n{url}" for told, url in lines(delivery.message)), *filter(None, [foot])])
    origin = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].rstrip(">")
    mail = EmailMessage(
        subject=" ".join(subject(delivery.message).split()),
        body=text,
        to=to,
        headers={"Message-ID": f"<{delivery.pk}@{origin}>", "Auto-Submitted": "auto-generated"},
    )
    try:
        refused = mailing.send(mail)
    except smtplib.SMTPResponseException as error:
        told = webhook.masked(error, mail.to)
        return Outcome(sent=False, status=error.smtp_code, problem=told, again=error.smtp_code < 500)
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _text in error.recipients.values()]
        return Outcome(sent=False, status=max(codes), problem=_("Every recipient was refused."), again=max(codes) < 500)
    except (smtplib.SMTPException, OSError) as error:
        return Outcome(sent=False, problem=webhook.masked(error, mail.to))
    return _taken_for(len(to), list(refused.values()))


def _taken_for(many: int, refused: list[int]) -> Outcome:
    """A mail that the server took for some or all. Whom it only put off gets it by another attempt, the others twice with the same id."""
    if not refused:
        return Outcome(sent=True, status=250)
    text = _("%(n)d of %(many)d recipients were refused.") % {"n": len(refused), "many": many}
    return Outcome(sent=min(refused) >= 500, status=min(refused), problem=text)


def _slack(delivery: Delivery, channel: Channel) -> Outcome:
    return _post(delivery, channel, orjson.dumps(slack_body(delivery.message)))


def _json(delivery: Delivery, channel: Channel) -> Outcome:
    told = {"version": VERSION, "id": str(delivery.pk), "text": subject(delivery.message), **delivery.message}
    return _post(delivery, channel, orjson.dumps(told))


def _post(delivery: Delivery, channel: Channel, body: bytes) -> Outcome:
    """The id is the same at every attempt, so that a receiver can leave out what it has already; time and signature are new."""
    url, secret = unseal(channel.target), unseal(channel.secret)
    now = str(int(datetime.now(UTC).timestamp()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "opsportal",
        "Idempotency-Key": str(delivery.pk),
        "X-Opsportal-Delivery": str(delivery.pk),
        "X-Opsportal-Attempt": str(delivery.attempts),
        "X-Opsportal-Timestamp": now,
    }
    if secret:
        headers["X-Opsportal-Signature"] = signature(secret, now, body)
    parts = urlsplit(url)
    try:
        webhook.allowed(url)
        answer = webhook.post(parts, webhook.resolve(parts), body, headers)
    except webhook.Forbidden as error:
        return Outcome(sent=False, problem=str(error), again=False)
    except TimeoutError:
        return Outcome(sent=False, problem=_("It did not answer within %(s)d s.") % {"s": webhook.WHOLE})
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
        return Outcome(sent=False, problem=webhook.masked(error, [url, parts.path, parts.query, secret]))
    if 200 <= answer.status < 300:
        return Outcome(sent=True, status=answer.status)
    if 300 <= answer.status < 400:
        text = _("It answered with a redirect, which is not followed. Write the address where it really is.")
        return Outcome(sent=False, status=answer.status, problem=text, again=False)
    text = _("It answered %(status)d.") % {"status": answer.status}
    again = answer.status not in _LASTING
    return Outcome(sent=False, status=answer.status, problem=text, again=again, after=answer.retry_after)


_SENDERS: Mapping[ChannelKind, Callable[[Delivery, Channel], Outcome]] = {
    ChannelKind.EMAIL: _email,
    ChannelKind.SLACK: _slack,
    ChannelKind.JSON: _json,
}
