"""Typed readings of the environment: the only place where a setting comes from.

Every variable is named `OPSPORTAL_…`; `.env.example` lists them all. A secret may also be given as a file, by the same
name with `_FILE` behind it (Docker and systemd credentials).
"""

import os
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


def text(name: str, default: str = "") -> str:
    """The variable as given, or the content of the file that `<name>_FILE` points to."""
    if file := os.environ.get(f"{name}_FILE"):
        return Path(file).read_text(encoding="utf-8").strip()
    return os.environ.get(name, default)


def flag(name: str, default: bool) -> bool:
    """A yes-or-no variable; raises ImproperlyConfigured for any other word."""
    value = text(name, "yes" if default else "no").lower()
    if value in TRUE | FALSE:
        return value in TRUE
    raise ImproperlyConfigured(f"{name} is {value!r}: write yes or no.")


def whole(name: str, default: int, least: int, most: int) -> int:
    """A whole number within [least, most]; raises ImproperlyConfigured otherwise."""
    value = text(name, str(default))
    if not value.isdecimal() or not least <= int(value) <= most:
        raise ImproperlyConfigured(f"{name} is {value!r}: write a whole number from {least} to {most}.")
    return int(value)


def one_of(name: str, choices: tuple[str, ...]) -> str:
    """One of these words, by default the first; raises ImproperlyConfigured for any other."""
    value = text(name, choices[0])
    if value in choices:
        return value
    raise ImproperlyConfigured(f"{name} is {value!r}: write one of {', '.join(choices)}.")


def words(name: str, default: str = "") -> list[str]:
    """A comma-separated list, blanks dropped."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def authorities(name: str) -> str:
    """The path of a file of certificates, or nothing; raises ImproperlyConfigured when it holds none or cannot be read."""
    path = os.environ.get(name, "")
    try:
        if path:
            ssl.create_default_context(cafile=path)
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name} is {path!r}: name a file of certificates (PEM) that this process may read ({error.strerror or error})."
        ) from error
    return path


def mail(name: str, password: str) -> dict[str, Any]:
    """Django's EMAIL_… settings for a `smtp://user:password@host:587` URL; `password` wins over the URL's.

    smtp: STARTTLS when there is a login (`?tls=no` or `?tls=starttls` says otherwise); smtps: TLS from the start. Empty: no mail is sent.
    """
    url = text(name)
    parts = urlsplit(url)
    if url and (parts.scheme not in {"smtp", "smtps"} or not parts.hostname):
        raise ImproperlyConfigured(f"{name} must look like smtp://user:password@host:587.")
    tls = dict(parse_qsl(parts.query)).get("tls", "starttls" if parts.username else "no")
    if tls not in {"starttls", "no"}:
        raise ImproperlyConfigured(f"{name} has tls={tls}: write starttls or no.")
    over_tls = parts.scheme == "smtps"
    return {
        "EMAIL_HOST": parts.hostname or "",
        "EMAIL_PORT": parts.port or (465 if over_tls else 587 if tls == "starttls" else 25),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": password or unquote(parts.password or ""),
        "EMAIL_USE_SSL": over_tls,
        "EMAIL_USE_TLS": not over_tls and tls == "starttls",
    }


def database(name: str, default: str) -> dict[str, Any]:
    """Django's dictionary for a `postgresql://user:password@host:port/name?option=value` URL."""
    parts = urlsplit(text(name, default))
    if parts.scheme not in {"postgres", "postgresql"} or not parts.path.strip("/"):
        raise ImproperlyConfigured(f"{name} must look like postgresql://user:password@host:5432/opsportal.")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": {"application_name": "opsportal", **dict(parse_qsl(parts.query))},
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }
