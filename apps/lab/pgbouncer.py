"""The lab's PgBouncer: transaction mode in front of the primary, with a login that may look and one that may act."""

import socket

from apps.lab.binaries import Binaries
from apps.lab.layout import DATABASE, HOST, Layout, Node
from apps.lab.postgres import scram_secret
from apps.lab.processes import Process, Roster, write_private

POOL_SIZE, MOST_CLIENTS, MOST_SERVERS = 20, 200, 50
LOGIN_SECONDS = 5  # after which PgBouncer gives up a log-in to PostgreSQL
# The list holds stored secrets, not passwords: a login is checked, and passed on, without the work of SCRAM being repeated.
CONFIGURATION = """[databases]
{database} = host={host} port={primary} dbname={database}

[pgbouncer]
listen_addr = {host}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {folder}/userlist.txt
stats_users = opsportal_poll
admin_users = opsportal_admin
pool_mode = transaction
default_pool_size = {pool_size}
max_client_conn = {most_clients}
max_db_connections = {most_servers}
server_login_retry = 1
server_connect_timeout = {login_seconds}
query_wait_timeout = 25
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
"""


def configure(layout: Layout) -> None:
    """Write its configuration and user list from the layout."""
    folder = layout.folder(Node.PGBOUNCER)
    text = CONFIGURATION.format(
        database=DATABASE,
        host=HOST,
        primary=layout.port(Node.PRIMARY),
        port=layout.port(Node.PGBOUNCER, direct=True),
        folder=folder,
        pool_size=POOL_SIZE,
        most_clients=MOST_CLIENTS,
        most_servers=MOST_SERVERS,
        login_seconds=LOGIN_SECONDS,
    )
    logins = [("app", "postgres"), ("opsportal_poll", "pgbouncer"), ("opsportal_admin", "pgbouncer")]
    users = "".join(f'"{login}" "{scram_secret(layout.password(service, login))}"\n' for login, service in logins)
    write_private(folder / "userlist.txt", users, layout.user)
    write_private(folder / "pgbouncer.ini", text, layout.user)


def answers(layout: Layout, node: str) -> bool:
    """Whether something accepts a TCP connection on the server's own port."""
    try:
        socket.create_connection((HOST, layout.port(node, direct=True)), timeout=1).close()
    except OSError:
        return False
    return True


def start(layout: Layout, binaries: Binaries, roster: Roster) -> Process:
    """Start PgBouncer and wait until it listens; raises NotStarted with the end of its log."""
    configure(layout)
    folder = layout.folder(Node.PGBOUNCER)
    process = roster.start(
        Node.PGBOUNCER,
        [binaries.pgbouncer, folder / "pgbouncer.ini"],
        log=layout.logs / f"{Node.PGBOUNCER}.log",
        cwd=folder,
        user=layout.user,
    )
    roster.await_ready(process, lambda: answers(layout, Node.PGBOUNCER))
    return process
