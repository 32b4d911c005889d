"""Settings, URLs, Celery and WSGI of the portal; nothing of its domain."""

from opsportal.celery import app as celery_app

__all__ = ["celery_app"]
