"""What stands around a page's live part: drawn once for all requests that see the same, with openings for what is one request's own.

The rail, the bar and the head depend on a dozen small values (`context.frame_key`), while drawing them takes longer than everything
else that a page does. So they are kept as pieces of bytes. Between the pieces come what nobody else may get or what is different each
time: the token against forged requests, the moment, and the page's body, which is kept by itself.
"""

import re
from collections.abc import Hashable, Mapping
from secrets import token_hex
from typing import Any

from django.contrib.messages import get_messages
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import mark_safe

from apps.metrics import context
from apps.metrics.kept import SHELLS, kept

# What no page can contain by chance or by malice: it is made anew in each process and never sent to anybody.
_SEAL = token_hex(16)
TOKEN, MOMENT, BODY = (f"{_SEAL}-{name}" for name in ("token", "moment", "body"))
_OPENINGS = re.compile(f"({TOKEN}|{MOMENT}|{BODY})".encode())


def answer(
    request: HttpRequest, template: str | list[str], page: Mapping[str, Any], body: bytes, of: Hashable
) -> HttpResponse:
    """A page or its live fragment: `template` drawn with `page`, where it says `{{ body }}` the finished body.

    `of`: what `page` depends on besides the frame; the same `of` must mean the same `page`.
    """
    if len(get_messages(request)):  # they are shown once, to one person
        return render(request, template, {**page, "body": mark_safe(body.decode())})  # noqa: S308  drawn by our templates
    key = (str(template), bool(getattr(request, "htmx", False)), of, context.frame_key(request))
    pieces = kept(key, lambda: _drawn(request, template, page), shelf=SHELLS)
    own = {TOKEN: get_token(request).encode(), MOMENT: timezone.now().isoformat().encode(), BODY: body}
    fill = {name.encode(): value for name, value in own.items()}
    return HttpResponse(b"".join([fill.get(piece, piece) for piece in pieces]))


def _drawn(request: HttpRequest, template: str | list[str], page: Mapping[str, Any]) -> tuple[bytes, ...]:
    openings = {"csrf_token": TOKEN, "drawn_at": MOMENT, "body": mark_safe(BODY)}  # noqa: S308  hexadecimal digits
    return tuple(_OPENINGS.split(render_to_string(template, {**page, **openings}, request).encode()))
