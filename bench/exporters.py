"""The peer of a poll: the usual Prometheus exporters, one for each server, each scraped over HTTP, all at once."""

import http.client
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from apps.lab.layout import HOST, REPLICAS, Layout, Node, free_ports
from apps.lab.processes import bare_environment
from apps.lab.register import LOGIN
from bench.ground import await_answer
from bench.programs import PGBOUNCER_EXPORTER, running

APPLICATION = "exporters"
CONFIG = """exporter_host: 127.0.0.1
exporter_port: {port}
pgbouncers:
  - dsn: {dsn}
    connect_timeout: 5
"""


@dataclass(slots=True)
class Exporters:
    """The running exporters: their pids and where each is scraped."""

    pids: list[int]
    urls: list[str]
    pool: ThreadPoolExecutor

    def scrape(self) -> int:
        """Ask all at the same time; the bytes they answered. Raises RuntimeError when one cannot reach its servers."""
        return sum(map(len, self.pool.map(_get, self.urls)))


def _get(url: str) -> bytes:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request("GET", parts.path)
        body = connection.getresponse().read()
    finally:
        connection.close()
    if b"pg_up 0" in body or b"redis_up 0" in body or b"pgbouncer_up 0" in body or b"_up" not in body:
        raise RuntimeError(f"An exporter cannot reach its server ({len(body)} bytes).")
    return body


@contextmanager
def exporters(layout: Layout) -> Iterator[Exporters]:
    """Start them on free ports of the loopback address. Debian's for PostgreSQL fails with several servers, so each has its own."""
    servers = (Node.PRIMARY, *REPLICAS)
    console_port, redis_port, *postgres_ports = ports = free_ports(2 + len(servers))
    config = layout.directory / "pgbouncer-exporter.yml"
    console = f"{layout.dsn(Node.PGBOUNCER, LOGIN, direct=True)}?application_name={APPLICATION}"
    config.write_text(CONFIG.format(port=console_port, dsn=console), encoding="utf-8")
    config.chmod(0o600)
    commands: list[tuple[list[str], dict[str, str]]] = [
        ([str(PGBOUNCER_EXPORTER), "--config", str(config), "--log-level", "ERROR"], {}),
        (
            ["prometheus-redis-exporter", f"-web.listen-address={HOST}:{redis_port}", f"-redis.user={LOGIN}",
             f"-redis.addr=redis://{HOST}:{layout.port(Node.REDIS, direct=True)}"],
            {"REDIS_PASSWORD": layout.password("redis", LOGIN)},
        ),
    ]  # fmt: skip
    for node, port in zip(servers, postgres_ports, strict=True):
        dsn = f"{layout.dsn(node, LOGIN, direct=True)}?sslmode=disable&application_name={APPLICATION}"
        argv = ["prometheus-postgres-exporter", f"--web.listen-address={HOST}:{port}"]
        commands.append((argv, {"DATA_SOURCE_NAME": dsn}))
    with ExitStack() as stack:
        pids = [
            stack.enter_context(running([*argv], layout.logs / f"exporter-{n}.log", bare_environment(extra)))
            for n, (argv, extra) in enumerate(commands)
        ]
        stack.callback(config.unlink)
        urls = [f"http://{HOST}:{port}/metrics" for port in ports]
        for url in urls:
            await_answer(url)
        yield Exporters(pids, urls, stack.enter_context(ThreadPoolExecutor(len(urls))))
