"""The request of a view that needs a person, for type hints: the policy has seen to it that somebody is logged in."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails

from apps.accounts.models import Person


class PersonRequest(HttpRequest):
    """A request with a person and htmx's headers."""

    user: Person
    htmx: HtmxDetails
