"""Forms around alerts: taking one, muting, thresholds, and the filter of the history."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.ledger.forms import MomentField
from apps.metrics.alerting import Mute
from apps.metrics.alerts import Kind
from apps.metrics.kernel import Check, State
from apps.metrics.models import Node, Tier
from apps.metrics.registry import checks
from apps.metrics.units import example, read

PERIODS = {"24h": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30), "365d": timedelta(days=365)}
LONGEST_MUTE = timedelta(days=14)
FARTHEST_MUTE = timedelta(days=365)
_LENGTHS = {
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "8h": timedelta(hours=8),
    "24h": timedelta(days=1),
}
MUTED_FOR = (
    ("30m", gettext_lazy("30 minutes")),
    ("1h", gettext_lazy("1 hour")),
    ("4h", gettext_lazy("4 hours")),
    ("8h", gettext_lazy("8 hours")),
    ("24h", gettext_lazy("24 hours")),
)


class Acknowledgement(forms.Form):
    """What somebody who takes an alert says about it."""

    note = forms.CharField(
        label=gettext_lazy("What do you know, what are you doing?"),
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=2000,
        error_messages={"required": gettext_lazy("Write a few words, so that others know what is being done.")},
    )
    others = forms.BooleanField(required=False)


class MuteForm(forms.Form):
    """A new mute window of a tier; `mute` makes it."""

    node = forms.ChoiceField(label=gettext_lazy("Node"), required=False)
    check_id = forms.ChoiceField(label=gettext_lazy("Check"), required=False)
    starts_at = MomentField(label=gettext_lazy("From"), required=False, help_text=gettext_lazy("Empty: from now on."))
    lasts = forms.ChoiceField(label=gettext_lazy("For"), required=False, choices=MUTED_FOR, initial="1h")
    ends_at = MomentField(
        label=gettext_lazy("Or until"),
        required=False,
        help_text=gettext_lazy("Empty: for as long as chosen above."),
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=500,
        help_text=gettext_lazy("What others need to know at night."),
        error_messages={"required": gettext_lazy("Say why it is muted.")},
    )

    def __init__(self, *args: Any, tier: Tier, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tier = tier
        names = [node.name for node in Node.objects.filter(tier=tier).order_by("name")]
        _choose(self, "node", [("", _("every node and the tier itself")), *((name, name) for name in names)])
        known = sorted(checks().values(), key=lambda check: check.id)
        _choose(self, "check_id", [("", _("every check")), *((c.id, f"{c.id} · {c.title}") for c in known)])

    def clean(self) -> dict[str, Any]:
        """The window begins within a year, ends after it begins, in the future, and within two weeks; a typed end stands over a length."""
        data = super().clean() or self.cleaned_data
        now = timezone.now()
        start, end = data.get("starts_at") or now, data.get("ends_at")
        if start > now + FARTHEST_MUTE:
            self.add_error("starts_at", _("The window has to begin within a year."))
            return data
        if end is None and "ends_at" not in self.errors and data.get("lasts"):
            end = data["ends_at"] = start + _LENGTHS[data["lasts"]]
        if end is None:
            if "ends_at" not in self.errors:
                self.add_error("ends_at", _("Say when it ends."))
            return data
        if end <= max(start, now):
            self.add_error("ends_at", _("The window has to end after it begins, and not in the past."))
        elif end - start > LONGEST_MUTE:
            text = _("A window lasts 14 days at most, so that nothing stays quiet for ever. Begin another one later.")
            self.add_error("ends_at", text)
        data["starts_at"] = start
        return data

    def mute(self, by: Any) -> Mute:
        """The window, not saved yet; call it on a valid form."""
        data = self.cleaned_data
        node = Node.objects.get(tier=self.tier, name=data["node"]) if data["node"] else None
        fields = {name: data[name] for name in ("check_id", "starts_at", "ends_at", "reason")}
        return Mute(tier=self.tier, node=node, by=by, **fields)


class ThresholdForm(forms.Form):
    """Thresholds as people write them, with their unit: `500 ms`."""

    node = forms.ChoiceField(label=gettext_lazy("On"), required=False)
    warn = forms.CharField(label=gettext_lazy("Warn"), required=False, max_length=40)
    fail = forms.CharField(label=gettext_lazy("Fail"), required=False, max_length=40)
    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=500, help_text=gettext_lazy("It is shown wherever the threshold is.")
    )

    def __init__(self, *args: Any, tier: Tier, check: Check, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tier, self.check = tier, check
        nodes = Node.objects.filter(tier=tier, **({"kind": check.kind.value} if check.kind else {})).order_by("name")
        _choose(self, "node", [("", _("the whole tier")), *((node.name, node.name) for node in nodes)])
        for name in ("warn", "fail"):
            self.fields[name].help_text = _("Such as %(example)s; empty for none.") % {"example": example(check.unit)}

    def _read(self, name: str) -> float | None:
        text = str(self.cleaned_data[name]).strip()
        try:
            return read(text, self.check.unit) if text else None
        except ValueError as error:
            raise ValidationError(str(error)) from error

    def clean_warn(self) -> float | None:
        """In the check's unit."""
        return self._read("warn")

    def clean_fail(self) -> float | None:
        """In the check's unit."""
        return self._read("fail")

    @property
    def chosen(self) -> Node | None:
        """The node, None for the whole tier; of a valid form."""
        name = self.cleaned_data["node"]
        return Node.objects.get(tier=self.tier, name=name) if name else None


class HistoryFilter(forms.Form):
    """What to look for among alerts of the past; every field is optional."""

    node = forms.CharField(label=gettext_lazy("Node"), required=False, max_length=60)
    check_id = forms.CharField(label=gettext_lazy("Check"), required=False, max_length=80)
    state = forms.ChoiceField(
        label=gettext_lazy("State"),
        required=False,
        choices=[
            ("", gettext_lazy("every")),
            (State.WARN.value, gettext_lazy("warned")),
            (State.FAIL.value, gettext_lazy("failed")),
            (Kind.SILENCE.value, gettext_lazy("no data")),
        ],
    )
    period = forms.ChoiceField(
        label=gettext_lazy("Period"),
        required=False,
        choices=[
            ("7d", gettext_lazy("last 7 days")),
            ("24h", gettext_lazy("last 24 hours")),
            ("30d", gettext_lazy("last 30 days")),
            ("365d", gettext_lazy("last year")),
        ],
    )
    before = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput)

    @property
    def period_in_words(self) -> str:
        """“last 7 days”; of a valid form."""
        return str(dict(self.fields["period"].choices)[self.cleaned_data["period"] or "7d"])  # type: ignore[attr-defined]

    @property
    def since(self) -> datetime:
        """The beginning of the period; of a valid form."""
        return datetime.now(UTC) - PERIODS[self.cleaned_data["period"] or "7d"]


def _choose(form: forms.Form, name: str, choices: list[tuple[str, str]]) -> None:
    form.fields[name].choices = choices  # type: ignore[attr-defined]
