"""What changed about alerts, told once: one message for each node and poll, put into the outbox of every channel that wants it.

And what waits for somebody, told to those people: one message for each of them.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from django.conf import settings

from apps.accounts.models import Person
from apps.metrics.alerts import Kind
from apps.metrics.kernel import Check, State
from apps.metrics.models import Alert, Channel, Delivery, Tier
from apps.metrics.templatetags.figures import threshold, word_of
from apps.metrics.units import duration, show


class Change(StrEnum):
    """What became of an alert."""

    OPENED = "opened"
    WORSE = "worse"
    RESOLVED = "resolved"
    TEST = "test"
    NEWS = "news"
    TURN = "turn"


@dataclass(frozen=True, slots=True)
class Told:
    """One change of one alert, with everything that a message says of it."""

    alert: int
    change: str
    kind: str
    state: str
    check: str
    title: str
    node: str
    object: str
    value: str
    threshold: str
    runbook: str
    flapping: bool
    opened_at: str
    url: str

    @classmethod
    def of(cls, alert: Alert, check: Check | None, node: str, change: Change) -> "Told":
        """An alert that may not have been saved yet: its number and address are filled in when it is announced."""
        return cls(
            alert=alert.pk or 0,
            change=change.value,
            kind=alert.kind,
            state=alert.state,
            check=alert.check_id,
            title=check.title if check else alert.check_id,
            node=node,
            object=alert.object,
            value=show(alert.value, check.unit) if check and alert.kind == Kind.LIMIT else "",
            threshold=threshold(check) if check else "",
            runbook=check.runbook if check else "",
            flapping=alert.flapping,
            opened_at=alert.opened_at.isoformat(),
            url=f"{settings.ORIGIN}/alerts/{alert.pk}/",
        )

    def line(self, at: datetime) -> str:
        """The change, as it was at this moment, in one line of plain text."""
        of = f" ({self.object})" if self.object else ""
        match self.change:
            case Change.TEST | Change.NEWS | Change.TURN:
                return self.title
            case Change.RESOLVED:
                lasted = duration((at - datetime.fromisoformat(self.opened_at)).total_seconds())
                last = f"; its last bad value was {self.value}" if self.value else ""
                return f"{self.title}{of}, after {lasted}{last}"
            case _ if self.kind == Kind.SILENCE:
                return f"{self.title}{of}: no data{self._remedy}"
        said = f"{self.title}{of} {word_of(self.state)}: {self.value} ({self.threshold}){self._remedy}"
        return f"{said}; flapping, so it closes only after ten calm minutes" if self.flapping else said

    @property
    def _remedy(self) -> str:
        return f"; what to do: {self.runbook}" if self.runbook else ""


def announce(tier: Tier, at: datetime, told: Sequence[Told]) -> None:
    """Put one message for each node into the outbox of each channel that wants any of its changes; call inside the transaction."""
    if not told:
        return
    groups: dict[str, list[Told]] = defaultdict(list)
    for one in told:
        groups[one.node].append(one)
    Delivery.objects.bulk_create(
        Delivery(channel=channel, group=node, message=message(tier, node, at, wanted), made_at=at, next_at=at)
        for channel in Channel.objects.filter(tier=tier, removed_at=None)
        for node, changes in groups.items()
        if (wanted := [one for one in changes if wants(channel, one)])
    )


def announce_to(people: Mapping[Person, Sequence[Told]], tier: Tier, at: datetime) -> None:
    """Put one message for each person into the outbox, with everything that waits for them; call inside the transaction."""
    Delivery.objects.bulk_create(
        Delivery(person=person, group="", message=message(tier, "", at, told), made_at=at, next_at=at)
        for person, told in people.items()
    )


def wants(channel: Channel, told: Told) -> bool:
    """Whether a channel is to be told of a change."""
    if told.change == Change.RESOLVED and not channel.tells_end:
        return False
    if told.kind == Kind.SILENCE:
        return channel.tells_silence
    good = {State.PASS, State.WARN} if told.change == Change.NEWS else set(State) - {State.FAIL}
    return channel.least == State.WARN or State(told.state) not in good


def message(tier: Tier, node: str, at: datetime, changes: Sequence[Told]) -> dict[str, Any]:
    """What every kind of channel writes in its own way: of which tier and node, when, and the changes, worst first."""
    order = (Change.TEST, Change.NEWS, Change.TURN, Change.OPENED, Change.WORSE, Change.RESOLVED)
    ranked = sorted(changes, key=lambda one: (order.index(Change(one.change)), one.state != State.FAIL, one.title))
    return {
        "tier": tier.slug,
        "tier_name": tier.name,
        "node": node,
        "at": at.isoformat(),
        "changes": [asdict(one) for one in ranked],
    }


def news(text: str, state: State, url: str, at: datetime, change: Change = Change.NEWS) -> Told:
    """Something that is no alert, such as the end of a watch, and `state` how it ended; or, as `change` TURN, what waits for somebody."""
    return Told(
        alert=0,
        change=change.value,
        kind=Kind.LIMIT.value,
        state=state.value,
        check="",
        title=text,
        node="",
        object="",
        value="",
        threshold="",
        runbook="",
        flapping=False,
        opened_at=at.isoformat(),
        url=url,
    )


def test(channel: Channel, by: str) -> Delivery:
    """Put a test into the outbox of one channel."""
    now = datetime.now(UTC)
    told = Told(
        alert=0,
        change=Change.TEST.value,
        kind=Kind.LIMIT.value,
        state=State.PASS.value,
        check="",
        title=f"Test of the channel {channel.name}, asked for by {by}",
        node="",
        object="",
        value="",
        threshold="",
        runbook="",
        flapping=False,
        opened_at=now.isoformat(),
        url=f"{settings.ORIGIN}/t/{channel.tier.slug}/channels/",
    )
    told_of = message(channel.tier, "", now, [told])
    return Delivery.objects.create(channel=channel, group="test", message=told_of, made_at=now, next_at=now)
