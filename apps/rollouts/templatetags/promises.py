"""How a playbook's expectations are written in the pages of a rollout."""

from django import template
from django.utils.translation import gettext as _

from apps.metrics.kernel import Unit
from apps.playbook.plan import Expectation
from apps.rollouts.sheet import in_words

register = template.Library()


@register.filter
def promised(expectation: Expectation) -> str:
    """A promise in words: a change with its sign, or a value."""
    return in_words(expectation)


@register.filter
def unit_word(unit: Unit | str | None) -> str:
    """The unit a value is entered in."""
    if not unit:
        return ""
    words = {
        Unit.RATIO: _("a share, 0 to 1"),
        Unit.COUNT: _("a number"),
        Unit.BYTES: _("bytes"),
        Unit.YES_NO: _("1 or 0"),
    }
    return words.get(Unit(unit), str(Unit(unit).value))
