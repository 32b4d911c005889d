"""Requests that no view could make sense of, answered before anything reads them: a null character, a text that is not UTF-8.

PostgreSQL keeps no null character and Django decodes forms as UTF-8 only, so each of these would end as an error of the portal's.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

GetResponse = Callable[[HttpRequest], HttpResponseBase]
UTF_8 = frozenset({"utf-8", "utf8"})
# In a cookie's quoted value a character may be written in octal.
NULL_IN_COOKIE = ("\0", "\\000")


class UnreadableMiddleware:
    """Answers 400 or 415 to what cannot be read; stands before whatever looks at the address, the form or a cookie."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """The refusal, or whatever the request's ordinary way leads to."""
        charset = (request.content_params or {}).get("charset", "utf-8")
        if charset.lower() not in UTF_8:
            text = _("It says that its text is in %(charset)s; the portal reads UTF-8 only. Nothing was changed.")
            return _refused(text % {"charset": charset[:40]}, 415)
        if request.encoding:
            request.encoding = "utf-8"  # the only spelling that Django reads forms in
        if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            return _refused(_("There is a null character in the address. Nothing was changed."), 400)
        if any(null in request.META.get("HTTP_COOKIE", "") for null in NULL_IN_COOKIE):
            return _refused(_("There is a null character in a cookie. Nothing was changed."), 400)
        return self.get_response(request)


def _refused(problem: str, status: int) -> HttpResponse:
    """The page for bad requests, without the request: its frame would look at what cannot be read."""
    page = render_to_string("400.html", {"problem": problem, "status": status})
    return HttpResponse(page, status=status, headers={"X-Frame-Options": settings.X_FRAME_OPTIONS})
