"""Where everything of a lab is: ports, logins, folders. Chosen once, remembered in `lab.json`, readable by its owner only."""

import base64
import hashlib
import json
import os
import random
import secrets
import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from urllib.parse import quote

from apps.lab.processes import give, server_user, write_private

HOST = "127.0.0.1"
DATABASE = "messaging"
STORE_DATABASE = "opsportal"
PORTS = "OPSPORTAL_LAB_PORTS"  # the environment's name for other bounds than these
PORT_RANGE = range(15000, 32000)  # below the ports that systems hand out for outgoing connections
LONGEST_SOCKET = 100  # a Unix socket's path may have 107 bytes; some are kept for the node's folder


class Node(StrEnum):
    """The servers of the lab, watched ones and the portal's own."""

    PRIMARY = "lab-primary"
    REPLICA_1 = "lab-replica-1"
    REPLICA_2 = "lab-replica-2"
    PGBOUNCER = "lab-pgbouncer"
    REDIS = "lab-redis"
    APP = "lab-app"
    STORE = "store-postgres"
    STORE_REDIS = "store-redis"


REPLICAS = (Node.REPLICA_1, Node.REPLICA_2)
WATCHED = (Node.PRIMARY, *REPLICAS, Node.PGBOUNCER, Node.REDIS, Node.APP)
OWN = (Node.STORE, Node.STORE_REDIS)
RECEIVER = (
    "receiver"  # where a fault listens for the portal's notices, and the only inner address that the portal posts to
)
WEBHOOK_HOSTS = "OPSPORTAL_WEBHOOK_HOSTS"
SLOTS = {Node.REPLICA_1: "replica_1", Node.REPLICA_2: "replica_2"}
REPLICATION = {Node.REPLICA_1: "replication-1", Node.REPLICA_2: "replication-2"}
# Each login belongs to one service, so that a password of one opens nothing else.
LOGINS = {
    "postgres": ("postgres", "app", "opsportal_poll", "replicator"),
    "pgbouncer": ("opsportal_poll", "opsportal_admin"),
    "redis": ("lab", "app", "opsportal_poll"),
    "store": ("postgres", "opsportal_owner", "opsportal_app"),
    "store-redis": ("opsportal",),
}
SERVICE = {
    Node.PRIMARY: "postgres",
    Node.REPLICA_1: "postgres",
    Node.REPLICA_2: "postgres",
    Node.PGBOUNCER: "pgbouncer",
    Node.REDIS: "redis",
    Node.STORE: "store",
    Node.STORE_REDIS: "store-redis",
}


class LayoutBroken(RuntimeError):
    """`lab.json` cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Layout:
    """One lab directory.

    `ports`: where each server listens. `faces`: where the proxy listens for it; the portal and the workload use these, and
    faults act there; the links between servers (`replication-1`, …) are among them. `data`: the servers' folder, owned by
    `user`; inside `directory` where that user can reach it. `passwords`: by `<service>/<login>`. `keys`: the portal's own
    secrets.
    """

    directory: Path
    data: Path
    user: str
    ports: Mapping[str, int]
    faces: Mapping[str, int]
    passwords: Mapping[str, str]
    keys: Mapping[str, str]

    @property
    def file(self) -> Path:
        """Where this layout is remembered."""
        return self.directory / "lab.json"

    @property
    def run(self) -> Path:
        """Folder of the records of living processes."""
        return self.directory / "run"

    @property
    def logs(self) -> Path:
        """Folder of the servers' logs."""
        return self.directory / "logs"

    @property
    def faults(self) -> Path:
        """Folder of the records of faults under way."""
        return self.directory / "faults"

    def folder(self, node: str) -> Path:
        """Data folder of a server."""
        return self.data / node

    def port(self, node: str, *, direct: bool = False) -> int:
        """Port of a node: its face at the proxy, or the server's own; the portal's own servers have no face."""
        return self.ports[node] if direct or node not in self.faces else self.faces[node]

    def password(self, service: str, login: str) -> str:
        """Password of a login of a service (see LOGINS)."""
        return self.passwords[f"{service}/{login}"]

    def dsn(self, node: str, login: str, database: str = "", *, direct: bool = False) -> str:
        """`postgresql://…` for a login on a PostgreSQL or PgBouncer node. PgBouncer's own logins reach its console, `app` its pool."""
        service = SERVICE[Node(node)]
        if service == "pgbouncer":
            pooled = login == "app"
            database = database or (DATABASE if pooled else "pgbouncer")
            service = "postgres" if pooled else service
        database = database or (STORE_DATABASE if service == "store" else DATABASE)
        password = quote(self.password(service, login), safe="")
        return f"postgresql://{login}:{password}@{HOST}:{self.port(node, direct=direct)}/{database}"

    def redis_url(self, node: str, login: str, *, direct: bool = False) -> str:
        """`redis://…` for a login on a Redis node, without a database number."""
        password = quote(self.password(SERVICE[Node(node)], login), safe="")
        return f"redis://{login}:{password}@{HOST}:{self.port(node, direct=direct)}"

    def url(self, *, direct: bool = False) -> str:
        """Address of the application."""
        return f"http://{HOST}:{self.port(Node.APP, direct=direct)}"

    def environment(self) -> dict[str, str]:
        """The OPSPORTAL_… variables of a portal that keeps its records in this lab's store."""
        return {
            "OPSPORTAL_DATABASE_URL": self.dsn(Node.STORE, "opsportal_app"),
            "OPSPORTAL_OWNER_DATABASE_URL": self.dsn(Node.STORE, "opsportal_owner"),
            "OPSPORTAL_REDIS_URL": self.redis_url(Node.STORE_REDIS, "opsportal"),
            "OPSPORTAL_SECRET_KEY": self.keys["secret"],
            "OPSPORTAL_FIELD_KEY": self.keys["field"],
            "OPSPORTAL_LAB_DIR": str(self.directory),
            WEBHOOK_HOSTS: f"{HOST}:{self.ports[RECEIVER]}",
        }

    def save(self) -> None:
        """Write `lab.json`."""
        plain = asdict(self) | {"directory": str(self.directory), "data": str(self.data)}
        write_private(self.file, json.dumps(plain, indent=2))

    def with_new_ports(self, names: Iterable[str]) -> "Layout":
        """The same layout with other free ports for these servers or faces (`face:<name>`)."""
        wanted = tuple(names)
        fresh = dict(zip(wanted, free_ports(len(wanted)), strict=True))
        ports = {name: fresh.get(name, port) for name, port in self.ports.items()}
        faces = {name: fresh.get(f"face:{name}", port) for name, port in self.faces.items()}
        return replace(self, ports=ports, faces=faces)


def free_ports(count: int) -> list[int]:
    """Different TCP ports of the loopback address that nobody listens on now. Raises LayoutBroken for bounds that make no sense."""
    bounds, found = port_range(), list[int]()
    while len(found) < count:
        port = random.choice(bounds)  # noqa: S311  no secret
        if port not in found and port_free(port):
            found.append(port)
    return found


def port_range() -> range:
    """The ports to choose from: those of OPSPORTAL_LAB_PORTS (`15000-15999`), so that labs started together never choose the same."""
    words = os.environ.get(PORTS)
    if not words:
        return PORT_RANGE
    first, _, last = words.partition("-")
    if first.isdecimal() and last.isdecimal() and 1024 <= int(first) <= int(last) - 99 <= 65535 - 99:
        return range(int(first), int(last) + 1)
    raise LayoutBroken(f"{PORTS} is {words!r}: write the first and the last of at least 100 ports, as 15000-15999.")


def port_free(port: int) -> bool:
    """Whether a server could listen on this port of the loopback address."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind((HOST, port))
            return True
    return False


def _reachable(directory: Path, user: str) -> bool:
    """Whether the servers' user may enter this folder, and socket paths below it are short enough."""
    if len(os.fsencode(directory)) > LONGEST_SOCKET - len("/servers/store-postgres/.s.PGSQL.12345"):
        return False
    if os.geteuid() != 0 or user == "root":
        return True
    return all(folder.stat().st_mode & 0o001 for folder in (directory, *directory.parents))


def _data_folder(directory: Path, user: str) -> Path:
    if _reachable(directory, user):
        data = directory / "servers"
    else:
        digest = hashlib.sha256(os.fsencode(directory)).hexdigest()[:12]
        data = Path("/var/tmp") / f"opsportal-{digest}"  # noqa: S108  made exclusively, mode 700
    make_folder(data, user)
    found = data.lstat()
    if data.is_symlink() or not data.is_dir() or found.st_mode & 0o077 or data.owner() != user:
        raise LayoutBroken(
            f"{data} exists and is not a private folder of this lab. Remove it, then run `manage.py lab up` again."
        )
    return data


def make_folder(path: Path, user: str) -> None:
    """A folder that only the servers' user may enter; one that exists is left as it is."""
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
        give(path, user, 0o700)


def _prepare(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    directory = directory.resolve()
    directory.chmod(directory.stat().st_mode | 0o711)
    for name in ("run", "logs", "faults", "static"):
        (directory / name).mkdir(mode=0o700, exist_ok=True)
    return directory


def create(directory: Path) -> Layout:
    """Make a lab directory with free ports and new passwords; keeps one that exists."""
    directory = _prepare(directory)
    user = server_user()
    if (directory / "lab.json").exists():
        known = load(directory)
        _data_folder(directory, known.user)
        if RECEIVER not in known.ports:  # made by an earlier version
            taken = {*known.ports.values(), *known.faces.values()}  # also of servers that are down
            port = next(port for port in free_ports(len(taken) + 1) if port not in taken)
            known = replace(known, ports={**known.ports, RECEIVER: port})
            known.save()
        return known
    servers, links = (
        [*(node.value for node in Node), RECEIVER],
        [node.value for node in WATCHED] + list(REPLICATION.values()),
    )
    ports = free_ports(len(servers) + len(links))
    layout = Layout(
        directory=directory,
        data=_data_folder(directory, user),
        user=user,
        ports=dict(zip(servers, ports, strict=False)),
        faces=dict(zip(links, ports[len(servers) :], strict=True)),
        passwords={
            f"{service}/{login}": secrets.token_urlsafe(24) for service, names in LOGINS.items() for login in names
        },
        keys={"secret": secrets.token_urlsafe(48), "field": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()},
    )
    layout.save()
    return layout


def load(directory: Path) -> Layout:
    """The layout of a lab directory; raises FileNotFoundError when there is none and LayoutBroken when it cannot be read."""
    directory = directory.resolve()
    text = (directory / "lab.json").read_text(encoding="utf-8")
    try:
        plain = json.loads(text)
        layout = Layout(**plain | {"directory": directory, "data": Path(plain["data"])})
        complete = all(f"{service}/{login}" in layout.passwords for service, names in LOGINS.items() for login in names)
        if not complete or not set(Node) <= set(layout.ports):
            raise ValueError("it lacks ports or logins")
    except (ValueError, TypeError, KeyError) as error:
        raise LayoutBroken(
            f"{directory / 'lab.json'} cannot be used ({error}). `manage.py lab reset` makes a new lab."
        ) from error
    return layout
