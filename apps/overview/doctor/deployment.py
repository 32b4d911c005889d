"""The settings that a deployment stands on: secrets, hosts, cookies, logs, and what Django's own system checks say."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.http.request import validate_host

from apps.overview.doctor.finding import Finding, State

HERE = {"localhost", "127.0.0.1", "::1"}
RANDOM = 'python3 -c "import secrets; print(secrets.token_urlsafe(48))"'
WEAK_KEY = "security.W009"
# Examined here in words of our own, or another's task: who is in front of the portal redirects to TLS and decides on subdomains.
NOT_OURS = {
    WEAK_KEY, "security.W004", "security.W005", "security.W008", "security.W012", "security.W016", "security.W018",
    "security.W020", "security.W021",
}  # fmt: skip


def examine() -> Iterator[Finding]:
    """Needs nothing that could be away."""
    found = checks.run_checks(include_deployment_checks=True)
    yield _secret_key(weak=any(message.id == WEAK_KEY for message in found))
    yield _debug()
    yield _hosts()
    yield _cookies()
    yield _log_level()
    yield _system_checks([message for message in found if message.id not in NOT_OURS])


def _secret_key(*, weak: bool) -> Finding:
    of = ("settings.secret_key", "Secret key")
    if settings.SECRET_KEY == settings.NO_SECRET:
        told = "OPSPORTAL_SECRET_KEY is not set; web, worker and beat do not start without it."
        return Finding(
            *of, State.FAILURE, told, "Set it, best as OPSPORTAL_SECRET_KEY_FILE, to what this prints:", (RANDOM,)
        )
    if weak:
        told = "OPSPORTAL_SECRET_KEY is short or has few different characters: sessions could be forged."
        return Finding(*of, State.WARNING, told, "Set it to what this prints; everybody logs in anew then:", (RANDOM,))
    return Finding(*of, State.FINE, f"set, {len(settings.SECRET_KEY)} characters")


def _debug() -> Finding:
    of = ("settings.debug", "Debug")
    if not settings.DEBUG:
        return Finding(*of, State.FINE, "off")
    told = "OPSPORTAL_DEBUG is on: error pages show settings and code to whoever meets one."
    return Finding(*of, State.FAILURE, told, "Remove OPSPORTAL_DEBUG, or set it to no, and restart.")


def _hosts() -> Finding:
    of = ("settings.hosts", "Hosts")
    host = urlsplit(settings.ORIGIN).hostname or ""
    if not validate_host(f"[{host}]" if ":" in host else host, settings.ALLOWED_HOSTS):
        told = (
            f"OPSPORTAL_ORIGIN is at {host or 'no host'}, which is not among OPSPORTAL_HOSTS: people get “Bad Request”."
        )
        return Finding(*of, State.FAILURE, told, f"Set OPSPORTAL_HOSTS={host} and restart.")
    if "*" in settings.ALLOWED_HOSTS:
        told = "OPSPORTAL_HOSTS admits every name, so that links may be made to lead elsewhere."
        return Finding(*of, State.WARNING, told, f"Set OPSPORTAL_HOSTS={host} and restart.")
    return Finding(*of, State.FINE, ", ".join(settings.ALLOWED_HOSTS))


def _cookies() -> Finding:
    of = ("settings.tls", "TLS to browsers")
    if settings.SESSION_COOKIE_SECURE and settings.CSRF_COOKIE_SECURE:
        return Finding(*of, State.FINE, f"{settings.ORIGIN}; cookies are sent over TLS only")
    if urlsplit(settings.ORIGIN).hostname in HERE:
        return Finding(*of, State.FINE, f"{settings.ORIGIN}: none, and people are on this machine only")
    told = f"{settings.ORIGIN} is not TLS: whoever listens takes sessions over, and browsers make no passkeys there."
    return Finding(*of, State.WARNING, told, "Put a proxy with TLS in front and set OPSPORTAL_ORIGIN=https://….")


def _log_level() -> Finding:
    of, level = ("settings.log_level", "Log level"), str(settings.LOGGING["level"])
    if level == "INFO":
        return Finding(*of, State.FINE, level)
    told = (
        "every poll and probe is logged, which fills disks" if level == "DEBUG" else "requests and tasks are not logged"
    )
    return Finding(
        *of, State.WARNING, f"{level}: {told}.", "Set OPSPORTAL_LOG_LEVEL=INFO once you have seen what you look for."
    )


def _system_checks(found: list[checks.CheckMessage]) -> Finding:
    of = ("settings.system_checks", "System checks")
    if not found:
        return Finding(*of, State.FINE, "Django's and the portal's own say nothing")
    errors = [message for message in found if message.is_serious()]
    told = "; ".join(f"{message.id}: {message.msg}" for message in (errors or found)[:3])
    state = State.FAILURE if errors else State.WARNING
    return Finding(*of, state, told, "Read them whole and mend them:", ("python manage.py check --deploy",))
