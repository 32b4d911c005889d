"""How a playbook's expectations are written in the pages of a rollout."""

import json

from django import template

from apps.metrics.kernel import Unit
from apps.metrics.units import example
from apps.playbook.plan import Expectation
from apps.rollouts.attachments import ENDINGS
from apps.rollouts.sheet import in_words

register = template.Library()


@register.simple_tag
def kept_endings() -> str:
    """The ends of file names that are kept, for a file field's `accept`."""
    return ",".join(ENDINGS)


@register.filter
def promised(expectation: Expectation) -> str:
    """A promise in words: a change with its sign, or a value."""
    return in_words(expectation)


@register.filter
def example_of(unit: Unit | str | None) -> str:
    """How a value of this unit may be typed."""
    return example(unit) if unit else ""


@register.filter
def as_json(row: object) -> str:
    """A raw row as one line of JSON, as it was frozen."""
    return json.dumps(row, ensure_ascii=False)
