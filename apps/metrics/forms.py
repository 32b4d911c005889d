"""Forms of the nodes page: a node is added only after it answered as what it was said to be."""

import re
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from apps.metrics import secrets
from apps.metrics.collect import Collector, NodePoll
from apps.metrics.hosts import reach
from apps.metrics.kernel import FailureKind, NodeKind, NodeRole
from apps.metrics.models import Node, Tier
from apps.metrics.readers import Target

WHAT_TO_DO = {
    FailureKind.UNREACHABLE: _("Check host and port, and that the portal's host may reach them."),
    FailureKind.TIMEOUT: _(
        "Check that nothing between the portal and the node drops packets, and that the node is not frozen."
    ),
    FailureKind.REFUSED: _("Check user, password and database, and that the node's access rules admit the portal."),
    FailureKind.WRONG_KIND: _("Choose the kind that this address really is, or correct the address."),
}


class AddressInput(forms.TextInput):
    """Shows an address that was refused without its password, which has to be typed again.

    >>> AddressInput().format_value("redis://poll:s3:cr@t@host:6379/0")
    'redis://poll@host:6379/0'
    >>> AddressInput().format_value("postgresql://poll@host:5432/messaging")
    'postgresql://poll@host:5432/messaging'
    """

    def format_value(self, value: Any) -> str | None:
        """The text of the field."""
        return re.sub(r"^((?:[^:/@]*://)?[^:@]*):(?!//).*@", r"\1@", str(value)) if value else None


class NodeForm(forms.ModelForm[Node]):
    """A new node of a tier. `polled` is what it answered when the form was checked."""

    polled: NodePoll | None = None

    class Meta:
        model = Node
        fields: ClassVar[list[str]] = ["name", "kind", "role", "address"]
        labels: ClassVar[dict[str, Any]] = {
            "role": _("Role in the tier"),
            "address": _("Address with login and password"),
        }
        help_texts: ClassVar[dict[str, Any]] = {
            "name": _("Lower-case letters, digits and hyphens, such as replica-2."),
            "role": _("Primary or replica for PostgreSQL; none for everything else."),
            "address": _(
                "The password is stored encrypted and never shown again. Use the polling login, which cannot write."
            ),
        }
        widgets: ClassVar[dict[str, Any]] = {
            "address": AddressInput(attrs={"autocomplete": "off", "spellcheck": "false", "type": "text"}),
        }

    def __init__(self, *args: Any, tier: Tier, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.tier = tier

    def clean_name(self) -> str:
        """Unique in its tier; named here because the tier is no field of the form."""
        name = str(self.cleaned_data["name"])
        if Node.objects.filter(tier=self.instance.tier, name=name).exists():
            raise self._taken(name)
        return name

    def refuse_taken(self) -> None:
        """Say that somebody else added a node of this name while the form was being checked."""
        self.add_error("name", self._taken(self.instance.name))

    @staticmethod
    def _taken(name: str) -> ValidationError:
        return ValidationError(_("This tier already has a node named %(name)s."), params={"name": name})

    def clean(self) -> dict[str, Any]:
        """Connect to it: only what answers as the kind and role it was said to be is added."""
        data = super().clean() or self.cleaned_data
        if self.errors:
            return data
        kind, role = NodeKind(data["kind"]), NodeRole(data["role"] or "")
        if (kind is NodeKind.POSTGRES) != (role is not NodeRole.NONE):
            self.add_error("role", _("A PostgreSQL node is primary or replica; every other kind has no role."))
            return data
        try:
            self.cleaned_address, password = secrets.split(kind, data["address"])
        except ValidationError as error:
            self.add_error("address", error)
            return data
        self.sealed = secrets.seal(password)
        self._try(Target(0, data["name"], kind, role, secrets.whole(self.cleaned_address, self.sealed), reach()))
        return data

    def _try(self, target: Target) -> None:
        collector = Collector(settings.NODE_DEADLINE, kept=False)
        try:
            self.polled = collector.poll([target], {0: []}, {})[0]
        finally:
            collector.close()
        failure, identity = self.polled.failure, self.polled.identity
        if failure:
            told = f"{failure.message} {WHAT_TO_DO.get(failure.kind, '')}".strip()
            self.add_error("kind" if failure.kind is FailureKind.WRONG_KIND else "address", told)
        elif identity and target.kind is NodeKind.POSTGRES and identity.role is not target.role:
            text = _("It answers as a %(role)s. Choose that role, or correct the address.")
            self.add_error("role", ValidationError(text, params={"role": identity.role.value}))

    def save(self, commit: bool = True) -> Node:
        """Keep the node, its address and its password apart."""
        self.instance.address, self.instance.secret = self.cleaned_address, self.sealed
        return super().save(commit)
