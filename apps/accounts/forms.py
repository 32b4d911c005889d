"""What people may change of themselves."""

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Person


class NoticesForm(forms.ModelForm[Person]):
    """Where and whether a person is told that it is their turn."""

    class Meta:
        model = Person
        fields = ("email", "tell_turns")
        labels = {"email": _("E-mail")}  # noqa: RUF012  Django's way
