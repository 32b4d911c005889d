"""The correlation id of the present request, for pages that ask a person to pass it on."""

from django import template

from apps.telemetry import correlation

register = template.Library()


@register.simple_tag
def correlation_id() -> str:
    """Empty outside of a request. Needs no context: Django renders its page for failures without one."""
    return correlation.current()
