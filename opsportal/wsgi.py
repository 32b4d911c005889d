"""The portal as a WSGI application."""

import os
from typing import Any

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")

if settings.SECRET_KEY == settings.NO_SECRET:
    raise ImproperlyConfigured("OPSPORTAL_SECRET_KEY is not set. Set it to 50 random characters; see .env.example.")


class Request(WSGIRequest):
    """A request in UTF-8, whatever charset it claims: Django would read the address in that before a middleware can refuse it."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))


class Handler(WSGIHandler):
    """Django's, with requests of ours."""

    request_class = Request


django.setup(set_prefix=False)
application = Handler()
