"""The environment of the portal's programs in the demo: the lab's store and keys, its address, and what the person has set."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from apps.lab.layout import WEBHOOK_HOSTS, Layout
from apps.lab.processes import bare_environment, write_private

PREFIX = "OPSPORTAL_"
KEPT = "portal.json"


def portal(layout: Layout, url: str, given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Everything a program of the portal inherits. What says where its store is, and at which `url` it serves, is the demo's own."""
    chosen = {name: value for name, value in given.items() if name.startswith(PREFIX)}
    own = {"OPSPORTAL_ORIGIN": url, "OPSPORTAL_HOSTS": "localhost,127.0.0.1,[::1]", "PYTHONUNBUFFERED": "1"}
    found = {**chosen, **layout.environment(), **own}
    hosts = (chosen.get(WEBHOOK_HOSTS, ""), found[WEBHOOK_HOSTS])
    return bare_environment({**found, WEBHOOK_HOSTS: ",".join(filter(None, hosts))})


def keep(run: Path, variables: Mapping[str, str]) -> None:
    """Write down what the programs of the running demo were given, so that commands beside them can be given it too."""
    own = {name: value for name, value in variables.items() if name.startswith(PREFIX)}
    write_private(run / KEPT, json.dumps(own, indent=2))


def forget(run: Path) -> None:
    """Nothing of it stays behind when the demo ends."""
    (run / KEPT).unlink(missing_ok=True)


def kept(run: Path) -> dict[str, str]:
    """The environment of the running demo's programs; raises FileNotFoundError when no demo runs."""
    return bare_environment(json.loads((run / KEPT).read_text(encoding="utf-8")))


def database(variables: Mapping[str, str]) -> str:
    """The name of the database in the store that a program with these variables works on."""
    return unquote(urlsplit(variables["OPSPORTAL_DATABASE_URL"]).path.removeprefix("/"))
