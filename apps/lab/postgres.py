"""PostgreSQL servers of the lab: made, configured, started; the primary's roles and slots, the replicas' base backups."""

import base64
import hashlib
import hmac
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql

from apps.lab.binaries import Binaries
from apps.lab.layout import DATABASE, HOST, OWN, REPLICATION, SLOTS, STORE_DATABASE, Layout, Node
from apps.lab.processes import NotStarted, Process, Roster, bare_environment, become, until, write_private

SCRAM_ITERATIONS = 4096
SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
max_connections = 100
max_locks_per_transaction = 64
shared_buffers = {buffers}
password_encryption = scram-sha-256
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.max = 5000
track_io_timing = on
track_commit_timestamp = on
track_activity_query_size = 4096
log_line_prefix = '%m [%p] %q%u@%d/%a '
log_lock_waits = on
timezone = 'UTC'
"""
# Times are short so that a fault shows within two polls; a slot keeps at most 2 GB for a replica that is gone. WAL is archived
# to nowhere: whether archiving is on is decided at the start, and that it fails can be seen only where it is.
REPLICATED = """
wal_level = replica
max_wal_senders = 10
max_replication_slots = 10
max_slot_wal_keep_size = 2GB
max_wal_size = 2GB
archive_mode = on
archive_command = 'true'
wal_log_hints = on
hot_standby = on
hot_standby_feedback = on
wal_sender_timeout = 5s
wal_receiver_timeout = 5s
wal_receiver_status_interval = 1s
wal_retrieve_retry_interval = 1s
primary_conninfo = '{conninfo}'
primary_slot_name = '{slot}'
"""
ACCESS = """# type database user address method
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
host replication replicator 127.0.0.1/32 scram-sha-256
"""


def scram_secret(password: str) -> str:
    """The SCRAM-SHA-256 secret of a password as PostgreSQL and PgBouncer store it.

    The salt is made from the password, so that both get the same secret without asking each other; the lab's passwords are random.
    """
    salt = hashlib.sha256(b"salt:" + password.encode()).digest()[:16]
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, SCRAM_ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${SCRAM_ITERATIONS}:{encoded[0]}${encoded[1]}:{encoded[2]}"


def connect(layout: Layout, node: str, database: str = "postgres", *, timeout: int = 5) -> psycopg.Connection:
    """A superuser's autocommit connection to a server itself, past the proxy."""
    return psycopg.connect(
        layout.dsn(node, "postgres", database, direct=True),
        autocommit=True,
        connect_timeout=timeout,
        application_name="lab",
    )


def folder_of(binaries: Binaries, node: str) -> Path:
    """Where the programs of this server are."""
    return binaries.postgres if node in OWN else binaries.watched


def exists(layout: Layout, binaries: Binaries, node: str) -> bool:
    """Whether this server's data was made completely; what another major version made is of no use on the tier, and is made anew.

    The store's stays: people may have written there, and PostgreSQL says itself that it cannot be read.
    """
    folder = layout.folder(node)
    if not (folder / "lab.ready").exists():
        return False
    return node in OWN or (folder / "PG_VERSION").read_text().strip() == str(binaries.watched_version)


def _settings(layout: Layout, node: str) -> str:
    folder = layout.folder(node)
    text = SETTINGS.format(
        port=layout.port(node, direct=True), folder=folder, buffers="32MB" if node in OWN else "128MB"
    )
    if node in OWN:
        return text
    link, slot = REPLICATION.get(Node(node), ""), SLOTS.get(Node(node), "")
    conninfo = ""
    if link:
        conninfo = f"host={HOST} port={layout.faces[link]} user=replicator passfile={folder / 'pgpass'} application_name={node}"
    return text + REPLICATED.format(conninfo=conninfo, slot=slot)


def configure(layout: Layout, node: str) -> None:
    """Write a server's settings from the layout; every start does, so a changed port reaches it."""
    folder = layout.folder(node)
    write_private(folder / "lab.conf", _settings(layout, node), layout.user)
    write_private(folder / "pg_hba.conf", ACCESS, layout.user)
    if node in SLOTS:
        line = f"{HOST}:*:*:replicator:{layout.password('postgres', 'replicator')}\n"
        write_private(folder / "pgpass", line, layout.user)


def initialise(layout: Layout, binaries: Binaries, node: str) -> None:
    """Make an empty cluster whose superuser has the layout's password; raises NotStarted with initdb's words."""
    folder, service = layout.folder(node), "store" if node in OWN else "postgres"
    shutil.rmtree(folder, ignore_errors=True)
    secret = layout.data / f"{node}.password"
    write_private(secret, layout.password(service, "postgres"), layout.user)
    options = [
        "--no-sync",
        "--data-checksums",
        "--encoding=UTF8",
        "--locale=C",
        "--auth=scram-sha-256",
        "--username=postgres",
    ]
    try:
        _run(layout, [folder_of(binaries, node) / "initdb", *options, f"--pwfile={secret}", "-D", folder])
    finally:
        secret.unlink(missing_ok=True)
    with (folder / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write("include = 'lab.conf'\n")


def _run(layout: Layout, argv: Sequence[str | Path], env: dict[str, str] | None = None) -> None:
    run = subprocess.run(
        [str(word) for word in argv],
        cwd=layout.data,
        env=bare_environment(env),
        capture_output=True,
        text=True,
        check=False,
        **become(layout.user),  # type: ignore[call-overload]
    )
    if run.returncode != 0:
        raise NotStarted(f"{Path(argv[0]).name} failed:\n{run.stderr.strip() or run.stdout.strip()}")


def start(
    layout: Layout, binaries: Binaries, roster: Roster, node: str, environment: Mapping[str, str] | None = None
) -> Process:
    """Start a server, with more in its `environment` if need be, and wait until it answers; raises NotStarted with the end of its log."""
    configure(layout, node)
    folder = layout.folder(node)
    for lock in [folder / "postmaster.pid", *folder.glob(".s.PGSQL.*.lock")]:
        lock.unlink(missing_ok=True)  # whoever wrote it is gone; its pid may be another's by now
    process = roster.start(
        node,
        [folder_of(binaries, node) / "postgres", "-D", folder],
        log=layout.logs / f"{node}.log",
        cwd=folder,
        user=layout.user,
        env=bare_environment(environment),
    )
    roster.await_ready(process, lambda: answers(layout, node), 60)
    return process


def answers(layout: Layout, node: str) -> bool:
    """Whether the server accepts a session."""
    try:
        connect(layout, node, timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def furnish_primary(layout: Layout) -> None:
    """Roles, database, slots and the statement statistics of a new primary."""
    with connect(layout, Node.PRIMARY) as connection:
        for role, options in (("app", "LOGIN"), ("opsportal_poll", "LOGIN"), ("replicator", "LOGIN REPLICATION")):
            _role(connection, role, options, layout.password("postgres", role))
        connection.execute("GRANT pg_monitor TO opsportal_poll")
        connection.execute("ALTER ROLE opsportal_poll SET default_transaction_read_only = on")
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        for slot in SLOTS.values():
            connection.execute("SELECT pg_create_physical_replication_slot(%s, true)", [slot])
        connection.execute("CREATE EXTENSION pg_stat_statements")
    with connect(layout, Node.PRIMARY, DATABASE) as connection:
        connection.execute("CREATE EXTENSION pg_stat_statements")


def furnish_planner(layout: Layout) -> None:
    """Let the planner judge what a guessed index would save, where this PostgreSQL has hypopg."""
    with connect(layout, Node.PRIMARY, DATABASE) as connection:
        if connection.execute("SELECT FROM pg_available_extensions WHERE name = 'hypopg'").fetchone():
            connection.execute("CREATE EXTENSION IF NOT EXISTS hypopg")


def furnish_store(layout: Layout) -> None:
    """The portal's own database, its owner's and its serving login."""
    with connect(layout, Node.STORE) as connection:
        _role(connection, "opsportal_owner", "LOGIN CREATEDB", layout.password("store", "opsportal_owner"))
        _role(
            connection,
            "opsportal_app",
            "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE",
            layout.password("store", "opsportal_app"),
        )
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER opsportal_owner").format(sql.Identifier(STORE_DATABASE)))
    grant_store(layout, STORE_DATABASE)


def grant_store(layout: Layout, database: str) -> None:
    """Let `opsportal_app` use what `opsportal_owner` will make in this database of the store."""
    dsn = layout.dsn(Node.STORE, "opsportal_owner", database, direct=True)
    grants: tuple[LiteralString, ...] = (
        "GRANT USAGE ON SCHEMA public TO opsportal_app",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO opsportal_app",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO opsportal_app",
        "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT EXECUTE ON FUNCTIONS TO opsportal_app",
    )
    with connect(layout, Node.STORE, database) as connection:
        connection.execute("ALTER SCHEMA public OWNER TO opsportal_owner")
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
        for grant in grants:
            connection.execute(grant)


def _role(connection: psycopg.Connection, name: str, options: LiteralString, password: str) -> None:
    statement = sql.SQL("CREATE ROLE {} " + options + " PASSWORD {}")
    connection.execute(statement.format(sql.Identifier(name), sql.Literal(scram_secret(password))))


def mark_ready(layout: Layout, node: str) -> None:
    """Remember that this server's data is complete; what was half made is made anew."""
    write_private(layout.folder(node) / "lab.ready", "", layout.user)


def forget(layout: Layout, node: str) -> None:
    """Have this server's data made anew by the next start of the lab."""
    (layout.folder(node) / "lab.ready").unlink(missing_ok=True)


def back_up(layout: Layout, binaries: Binaries, node: str) -> None:
    """Make a replica's data by a base backup of the primary, over its own slot; raises NotStarted with the program's words."""
    folder = layout.folder(node)
    shutil.rmtree(folder, ignore_errors=True)
    passfile = layout.data / f"{node}.pgpass"
    write_private(passfile, f"{HOST}:*:*:replicator:{layout.password('postgres', 'replicator')}\n", layout.user)
    options = ["--checkpoint=fast", "--wal-method=stream", f"--slot={SLOTS[Node(node)]}", "--no-sync", "--no-password"]
    port = layout.port(Node.PRIMARY, direct=True)
    source = ["-h", HOST, "-p", str(port), "-U", "replicator"]
    try:
        program = binaries.watched / "pg_basebackup"
        _run(layout, [program, *source, *options, "-D", folder], {"PGPASSFILE": str(passfile)})
    finally:
        passfile.unlink(missing_ok=True)
    write_private(folder / "standby.signal", "", layout.user)
    mark_ready(layout, node)


def streaming(layout: Layout) -> bool:
    """Whether both replicas stream from the primary."""
    with connect(layout, Node.PRIMARY) as connection:
        row = connection.execute("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'").fetchone()
    return row is not None and row[0] >= len(SLOTS)


def await_streaming(layout: Layout, seconds: float = 20) -> None:
    """Wait until both replicas stream; raises NotStarted when they do not."""
    if not until(lambda: streaming(layout), seconds, 0.05):
        raise NotStarted(f"The replicas do not stream after {seconds:.0f} s; see their logs in {layout.logs}.")
