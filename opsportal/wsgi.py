"""The portal as a WSGI application."""

import os

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "opsportal.settings")

if settings.SECRET_KEY == settings.NO_SECRET:
    raise ImproperlyConfigured("OPSPORTAL_SECRET_KEY is not set. Set it to 50 random characters; see .env.example.")
application = get_wsgi_application()
