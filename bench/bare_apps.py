"""Applications whose tables accounts names, and nothing else of them: neither their middleware nor their checks."""

from django.apps import AppConfig


class Accounts(AppConfig):
    """`allauth.account` without the middleware that its own configuration insists on."""

    name = "allauth.account"
    default_auto_field = "django.db.models.AutoField"
