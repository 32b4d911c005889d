"""Finding entries: the filter of the ledger's page and of its export."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.db.models import F, Func, Q, QuerySet, TextField, Value
from django.utils.translation import gettext_lazy as _

from apps.ledger import kinds
from apps.ledger.forms import MomentField
from apps.ledger.models import Entry


class Filter(forms.Form):
    """What to look for; every field is optional, times are in the portal's zone."""

    kind = forms.ChoiceField(label=_("Kind"), required=False)
    actor = forms.CharField(label=_("Who"), required=False, max_length=150)
    tier = forms.CharField(label=_("Tier"), required=False, max_length=50)
    text = forms.CharField(label=_("Text"), required=False, max_length=200)
    since = MomentField(label=_("From"), required=False)
    until = MomentField(label=_("Until"), required=False)
    before = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput)

    def __init__(self, data: Mapping[str, Any], **options: Any) -> None:
        super().__init__(data, **options)
        choices = [("", _("Every kind")), *((kind.id, kind.label) for kind in kinds.every())]
        self.fields["kind"].choices = choices  # type: ignore[attr-defined]

    def entries(self, tiers: frozenset[str] | None) -> QuerySet[Entry]:
        """
        What matches, newest first; call it on a valid form.

        Args:
            tiers: only entries of these tiers and of none; None for all.
        """
        found = Entry.objects.order_by("-seq")
        if tiers is not None:
            found = found.filter(tier__in={"", *tiers})
        wanted = {name: value for name, value in self.cleaned_data.items() if value}
        exact = {
            "kind": "kind",
            "actor": "actor",
            "tier": "tier",
            "since": "at__gte",
            "until": "at__lt",
            "before": "seq__lt",
        }
        found = found.filter(**{lookup: wanted[name] for name, lookup in exact.items() if name in wanted})
        if text := wanted.get("text"):
            content = Func(F("body"), Value("UTF8"), function="convert_from", output_field=TextField())
            found = found.annotate(words=content).filter(Q(subject__icontains=text) | Q(words__icontains=text))
        return found
