"""Forms of the rollout pages."""

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.rollouts.models import Decision, DrilledOn, RollbackEnd, StepState


class StartForm(forms.Form):
    """A new rollout on a tier."""

    name = forms.CharField(label=_("Name"), max_length=80, help_text=_("What the team calls it, such as Phase 2."))
    first_monday = forms.DateField(
        label=_("First Monday"),
        required=False,
        help_text=_("When its first week begins. The dates of all weeks follow from it, and it can be moved."),
    )


class MoveForm(forms.Form):
    """Another first Monday, and why; `seen` is the one that the person was shown, empty where there was none."""

    first_monday = forms.DateField(label=_("First Monday"))
    why = forms.CharField(label=_("Reason"), min_length=10, max_length=2000)
    seen = forms.DateField(widget=forms.HiddenInput, required=False)


class NoteForm(forms.Form):
    """A remark for those who read the timeline."""

    week = forms.SlugField(label=_("Week"))
    text = forms.CharField(label=_("Note"), max_length=2000)


class TickForm(forms.Form):
    """What a person says of an item."""

    value = forms.CharField(label=_("Observed value"), max_length=60, required=False)
    note = forms.CharField(label=_("Note"), max_length=2000, required=False)
    not_applicable = forms.BooleanField(label=_("Does not apply"), required=False)
    reading = forms.CharField(label=_("Reading"), max_length=20, required=False)


class WhyForm(forms.Form):
    """A reason, for taking something back."""

    why = forms.CharField(label=_("Reason"), max_length=2000)


class DeployForm(forms.Form):
    """What was deployed, and how long it took."""

    what = forms.CharField(
        label=_("What was deployed"), max_length=200, help_text=_("Version or change, as in the deployment log.")
    )
    minutes = forms.FloatField(label=_("Minutes it took"), required=False, min_value=0, max_value=10000)


class IssueForm(forms.Form):
    """Something that was seen."""

    text = forms.CharField(label=_("What was seen"), max_length=2000)
    known = forms.SlugField(label=_("Known issue"), required=False)
    blocker = forms.BooleanField(label=_("Blocks signing until it is closed"), required=False)


class ResolveForm(forms.Form):
    """How an issue ended."""

    resolution = forms.CharField(label=_("What was done"), max_length=2000, min_length=5)


class VoteForm(forms.Form):
    """A decision over a week."""

    decision = forms.ChoiceField(label=_("Decision"), choices=Decision.choices)
    reason = forms.CharField(label=_("Reason or remark"), max_length=2000, required=False)


class ConfirmForm(forms.Form):
    """That it is them who sign: a passkey's answer, or the password with the one-time code of who has one."""

    answer = forms.CharField(max_length=20000, required=False, strip=False)
    password = forms.CharField(max_length=4096, required=False, strip=False)
    code = forms.CharField(max_length=20, required=False)


class LookForm(forms.Form):
    """What somebody saw during a watch."""

    entry = forms.SlugField(label=_("What was looked at"), max_length=80)
    note = forms.CharField(label=_("What you saw"), max_length=2000)
    fine = forms.ChoiceField(label=_("In order"), choices=[("yes", _("yes")), ("no", _("no"))])


class OverrideForm(forms.Form):
    """Letting a week go on in spite of a verdict."""

    scope = forms.CharField(label=_("What is overridden"), max_length=120)
    reason = forms.CharField(label=_("Reason"), max_length=2000)
    length = forms.CharField(label=_("For how long"), max_length=4)


class RollbackForm(forms.Form):
    """Starting a rollback; drilled somewhere, or for good."""

    drilled_on = forms.ChoiceField(label=_("Where"), choices=[("", _("For good")), *DrilledOn.choices], required=False)
    why = forms.CharField(label=_("Why"), max_length=2000, required=False)


class StepForm(forms.Form):
    """What became of a step of a rollback."""

    number = forms.IntegerField(label=_("Step"), min_value=1)
    state = forms.ChoiceField(label=_("State"), choices=StepState.choices)
    note = forms.CharField(label=_("What happened"), max_length=2000, required=False)


class EndRollbackForm(forms.Form):
    """How a run of a rollback ends."""

    end = forms.ChoiceField(label=_("End"), choices=RollbackEnd.choices)
    why = forms.CharField(label=_("Why"), max_length=2000, required=False)
