"""The form of a channel that tells of alerts: what each kind needs, and what may be typed."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.metrics import secrets, webhook
from apps.metrics.alerting import Channel, ChannelKind
from apps.metrics.kernel import State
from apps.metrics.models import Tier

_ADDRESSES = {
    ChannelKind.EMAIL: (gettext_lazy("Mail addresses"), gettext_lazy("With commas between them. Stored encrypted.")),
    ChannelKind.SLACK: (
        gettext_lazy("Address of the webhook"),
        gettext_lazy("https://… as Slack or Mattermost made it for a room. It is a key by itself: stored encrypted."),
    ),
    ChannelKind.JSON: (gettext_lazy("Address of the webhook"), gettext_lazy("https://… Stored encrypted.")),
}
_SECRETS = {
    ChannelKind.SLACK: gettext_lazy(
        "Slack and Mattermost need none. For a receiver of your own that verifies X-Opsportal-Signature: 16 characters or more."
    ),
    ChannelKind.JSON: gettext_lazy("16 characters or more; what the receiver verifies X-Opsportal-Signature with."),
}
"""What is signed, by the kinds that can be: a mail bears no signature."""


class ChannelForm(forms.Form):
    """A new channel: where to, what of. Address and secret are sealed and never shown again.

    It asks for what its kind needs: the kind that was sent, else `kind`, else e-mail.
    """

    name = forms.CharField(label=gettext_lazy("Name"), max_length=60)
    kind = forms.ChoiceField(label=gettext_lazy("Kind"), choices=ChannelKind.choices, widget=forms.HiddenInput)
    target = forms.CharField(
        max_length=1000, widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"})
    )
    secret = forms.CharField(
        label=gettext_lazy("Signing secret"),
        required=False,
        min_length=16,
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    least = forms.ChoiceField(
        label=gettext_lazy("Tell of"),
        choices=[
            (State.WARN.value, gettext_lazy("warnings and failures")),
            (State.FAIL.value, gettext_lazy("failures only")),
        ],
    )
    tells_silence = forms.BooleanField(label=gettext_lazy("Tell of missing data too"), required=False, initial=True)
    tells_end = forms.BooleanField(label=gettext_lazy("Tell when it is over too"), required=False, initial=True)

    def __init__(self, *args: Any, tier: Tier, kind: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.tier = tier
        wanted = self.data.get("kind", kind)
        self.asked = ChannelKind(wanted) if wanted in ChannelKind.values else ChannelKind.EMAIL
        self.fields["kind"].initial = self.asked.value
        self.fields["target"].label, self.fields["target"].help_text = _ADDRESSES[self.asked]
        if self.asked in _SECRETS:
            self.fields["secret"].help_text = _SECRETS[self.asked]
            self.fields["secret"].required = self.asked == ChannelKind.JSON
            text = _("Give a secret: without a signature the receiver cannot tell who wrote.")
            self.fields["secret"].error_messages["required"] = text
        else:
            del self.fields["secret"]

    def clean_name(self) -> str:
        """Unique in its tier."""
        name = str(self.cleaned_data["name"])
        if Channel.objects.filter(tier=self.tier, name=name, removed_at=None).exists():
            raise self._taken(name)
        return name

    def refuse_taken(self) -> None:
        """Say that somebody else added a channel of this name while the form was being checked."""
        self.add_error("name", self._taken(self.cleaned_data["name"]))

    @staticmethod
    def _taken(name: str) -> ValidationError:
        return ValidationError(_("This tier already has a channel named %(name)s."), params={"name": name})

    def clean(self) -> dict[str, Any]:
        """The address is one of its kind and may be posted to."""
        data = super().clean() or self.cleaned_data
        kind, target = data.get("kind"), data.get("target")
        if not kind or not target:
            return data
        try:
            data["target"], self.shown = _mails(target) if kind == ChannelKind.EMAIL else _hook(target)
        except ValidationError as error:
            self.add_error("target", error)
        return data

    def channel(self, by: Any) -> Channel:
        """The channel, not saved yet; call it on a valid form."""
        data = dict(self.cleaned_data)
        sealed = {name: secrets.seal(data.pop(name, "")) for name in ("target", "secret")}
        return Channel(tier=self.tier, shown=self.shown, made_by=by, **data, **sealed)


def _mails(text: str) -> tuple[str, str]:
    """Addresses with commas between, and how they are shown."""
    found = [address.strip() for address in text.split(",") if address.strip()]
    if not found:
        raise ValidationError(_("Write at least one address."))
    for address in found:
        validate_email(address)
    domains = sorted({address.rpartition("@")[2] for address in found})
    return ",".join(found), _("%(n)d at %(domains)s") % {"n": len(found), "domains": ", ".join(domains)}


def _hook(text: str) -> tuple[str, str]:
    """An address that may be posted to, and its host."""
    try:
        parts = webhook.allowed(text)
        webhook.resolve(parts)
    except webhook.Forbidden as error:
        raise ValidationError(str(error)) from error
    except (OSError, UnicodeError) as error:
        raise ValidationError(
            _("There is no host of this name, or no name server answers. Check the address.")
        ) from error
    return text.strip(), parts.netloc
