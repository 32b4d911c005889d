"""Forms of the walks through decision trees."""

from django import forms
from django.utils.translation import gettext_lazy as _


class AnswerForm(forms.Form):
    """An answer at a node; without `then` it is taken back."""

    node = forms.SlugField(label=_("Question"))
    then = forms.SlugField(label=_("Answer"), required=False)
    note = forms.CharField(label=_("What you see"), max_length=2000, required=False)


class EndForm(forms.Form):
    """How a walk ends."""

    outcome = forms.CharField(label=_("Outcome"), max_length=12)
    note = forms.CharField(label=_("Note"), max_length=2000, required=False)
