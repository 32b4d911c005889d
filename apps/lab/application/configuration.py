"""Where the application finds the data tier: addresses with logins, never shown, read from the lab's layout."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from apps.lab.layout import REPLICAS, Layout, Node
from apps.lab.load import switches_file


@dataclass(frozen=True, slots=True)
class Configuration:
    """Addresses of the tier as the application's login `app` reaches it, past the lab's proxy, where faults act.

    `console`: PgBouncer's, by the login that may only look. `folder`: for its log; it may write there. `port`: its own.
    """

    port: int
    folder: Path
    switches: Path
    primary: str = field(repr=False)
    replicas: Mapping[str, str] = field(repr=False)
    pooler: str = field(repr=False)
    console: str = field(repr=False)
    redis: str = field(repr=False)


def of(layout: Layout) -> Configuration:
    """The configuration of a lab."""
    return Configuration(
        port=layout.port(Node.APP, direct=True),
        folder=layout.folder(Node.APP),
        switches=switches_file(layout),
        primary=layout.dsn(Node.PRIMARY, "app"),
        replicas={str(node): layout.dsn(node, "app") for node in REPLICAS},
        pooler=layout.dsn(Node.PGBOUNCER, "app"),
        console=layout.dsn(Node.PGBOUNCER, "opsportal_poll"),
        redis=layout.redis_url(Node.REDIS, "app"),
    )
