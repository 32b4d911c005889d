"""The lab's faults as the portal's checks know them: which are in now, and which check each is to fire."""

import subprocess
import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from shutil import which

import structlog
from django.conf import settings

from apps.lab import faults, register
from apps.lab import layout as layouts
from apps.lab.faults import FAULTS
from apps.lab.layout import WATCHED, Layout, LayoutBroken
from apps.lab.servers import Servers
from apps.metrics import secrets
from apps.metrics.models import Node, Tier
from apps.metrics.proofs import Breaker, Known

log = structlog.get_logger()

COMMAND = "manage.py lab prove"


def declared() -> Breaker:
    """What `apps.metrics.proofs` asks the lab."""
    known = tuple(Known(fault.name, fault.says, fault.fires) for fault in FAULTS.values())
    return Breaker(known, under_way, build, COMMAND)


def under_way(tier: Tier) -> Mapping[str, datetime] | None:
    """The faults that are in, by name, with the time they were put in; None for a tier that is not this machine's lab.

    A lab whose records cannot be read proves nothing, and keeps no poll from being written.
    """
    if tier.slug != register.SLUG:
        return None
    try:
        found = faults.active(Servers(settings.LAB_DIR))
    except (OSError, ValueError, KeyError):
        log.exception("faults.unreadable", directory=str(settings.LAB_DIR))
        return None
    return found if not found or is_lab(tier) else None


def is_lab(tier: Tier) -> bool:
    """Whether a tier's nodes are the servers of this lab, so that its faults are faults of that tier."""
    try:
        layout = layouts.load(settings.LAB_DIR)
    except (FileNotFoundError, LayoutBroken):
        return False
    known = dict(Node.objects.filter(tier=tier, name__in=WATCHED).values_list("name", "address"))
    return known == {server.value: _address(layout, server) for server in WATCHED}


def _address(layout: Layout, server: str) -> str:
    kind, _role = register.KINDS[layouts.Node(server)]
    return secrets.split(kind, register.url(layout, server))[0]


@cache
def build() -> str:
    """The portal's version, and the commit it was started from where this is a working copy; what cannot be told is left out."""
    return " ".join(filter(None, (_version(), _commit())))


def _version() -> str:
    try:
        return str(
            tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
        )
    except (OSError, tomllib.TOMLDecodeError, KeyError):
        return ""


def _commit() -> str:
    git = which("git")
    if git is None or not (settings.BASE_DIR / ".git").exists():
        return ""
    command = [git, "-C", str(settings.BASE_DIR), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=2, check=False).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
