"""How a playbook's expectations are written in the pages of a rollout."""

import json

from django import template

from apps.metrics.kernel import Unit
from apps.metrics.units import example, typed
from apps.playbook.plan import Expectation, Measure
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
def example_of(asked: Expectation | Unit | str | None) -> str:
    """
    How a value of this unit, or one that is as expected, may be typed: of a range the end that says most.

    >>> [example_of(Expectation(unit=Unit.BYTES, low=low, high=high)) for low, high in ((0, 100e6), (2e9, 5e9), (2e9, None))]
    ['100 MB', '5 GB', '2 GB']
    >>> example_of(Expectation(unit=Unit.COUNT, low=6)), example_of(Expectation(unit=Unit.SECONDS, high=200))
    ('6', '200 s')
    >>> example_of(Expectation(unit=Unit.RATIO, high=0.001)), example_of(Expectation(unit=Unit.YES_NO, low=1, high=1))
    ('0.1 %', 'yes')
    >>> example_of(Expectation(unit=Unit.MILLISECONDS, high=0.1, measure=Measure.CHANGE, against="p95"))
    '250 ms'
    >>> example_of(Unit.HOURS), example_of(None)
    ('3 h', '')
    """
    if not isinstance(asked, Expectation):
        return example(asked) if asked else ""
    if asked.measure is not Measure.VALUE:  # the value itself is typed, and what it is compared with is not known here
        return example(asked.unit)
    return typed(asked.low if asked.high is None else asked.high, asked.unit)


@register.filter
def as_json(row: object) -> str:
    """A raw row as one line of JSON, as it was frozen."""
    return json.dumps(row, ensure_ascii=False)
