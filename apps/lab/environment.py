"""The environment of the portal's programs in the demo: the lab's store and keys, its address, and what the person has set."""

import os
from collections.abc import Mapping

from apps.lab.layout import Layout
from apps.lab.processes import bare_environment

PREFIX = "OPSPORTAL_"


def portal(layout: Layout, url: str, given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Everything a program of the portal inherits. What says where its store is, and at which `url` it serves, is the demo's own."""
    chosen = {name: value for name, value in given.items() if name.startswith(PREFIX)}
    own = {"OPSPORTAL_ORIGIN": url, "OPSPORTAL_HOSTS": "localhost,127.0.0.1,[::1]", "PYTHONUNBUFFERED": "1"}
    return bare_environment({**chosen, **layout.environment(), **own})
