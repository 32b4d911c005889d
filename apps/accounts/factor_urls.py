"""The addresses at which allauth changes a person's second factors, each as one transaction with the ledger's entry of it.

They stand before allauth's own of the same names. Whoever has neither a password nor a factor would pass allauth's confirmation unasked;
here they are sent away.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.mfa.totp.views import activate_totp, deactivate_totp
from allauth.mfa.webauthn.views import add_webauthn, remove_webauthn
from django.db import transaction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import path

View = Callable[..., HttpResponseBase]


def guarded(view: View) -> View:
    """The view in one transaction, for who can be asked to confirm who they are."""

    @wraps(view)
    def confirmed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated and not get_reauthentication_flows(request.user):
            return render(request, "accounts/nothing_to_confirm_with.html", status=403)
        with transaction.atomic():
            answer = view(request, *args, **kwargs)
            if hasattr(answer, "render"):
                answer.render()
            return answer

    return confirmed


urlpatterns = [
    path("totp/activate/", guarded(activate_totp), name="mfa_activate_totp"),
    path("totp/deactivate/", guarded(deactivate_totp), name="mfa_deactivate_totp"),
    path("webauthn/add/", guarded(add_webauthn), name="mfa_add_webauthn"),
    path("webauthn/keys/<int:pk>/remove/", guarded(remove_webauthn), name="mfa_remove_webauthn"),
]
