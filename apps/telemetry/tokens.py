"""The token by which machines read the portal's figures, without being anybody."""

from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from apps.accounts.policy import Permission, permitted
from apps.accounts.roles import tiers_seen

BEARER = "Bearer "
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="opsportal"'}
WANTED = "Send OPSPORTAL_METRICS_TOKEN as Authorization: Bearer …, or log in with a role that may see the logs."


def may_read_figures(request: HttpRequest) -> bool:
    """Whether the request bears the token of OPSPORTAL_METRICS_TOKEN, or is of somebody who may see the logs."""
    return _bears_token(request) or permitted(request.user, Permission.SEE_LOGS)


def tiers_told(request: HttpRequest) -> frozenset[str] | None:
    """The slugs of the tiers whose figures such a request may read; None: all. The token is good for all."""
    return None if _bears_token(request) else tiers_seen(request.user)


def _bears_token(request: HttpRequest) -> bool:
    given, token = request.headers.get("Authorization", ""), settings.METRICS_TOKEN
    return bool(token) and given.startswith(BEARER) and constant_time_compare(given.removeprefix(BEARER), token)
