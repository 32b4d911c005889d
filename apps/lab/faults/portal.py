"""The portal that keeps its records in this lab, as faults reach it: its programs, its database and its Redis.

That is the demo's, or one that tests run; which database it works on is in what its programs were given (`environment.kept`).
"""

from dataclasses import dataclass

import psycopg
import redis

from apps.lab import environment, postgres
from apps.lab.faults.kinds import FaultImpossible
from apps.lab.layout import Node
from apps.lab.processes import Process
from apps.lab.servers import Servers


@dataclass(frozen=True, slots=True)
class Portal:
    """The portal of a lab. `database`: the name of the one in the store that it works on."""

    servers: Servers
    database: str
    redis_url: str

    def store(self) -> psycopg.Connection:
        """A superuser's autocommit connection to its database."""
        return connect(self.servers, self.database)

    def redis(self) -> redis.Redis:
        """Its broker, with the login that it uses itself."""
        return redis.Redis.from_url(self.redis_url, socket_timeout=5)

    def program(self, name: str) -> Process:
        """One of its programs that lives: web, worker, beat. Raises FaultImpossible."""
        found = self.servers.find(name)
        if found is None:
            raise FaultImpossible(f"The portal's {name} does not run in this lab. `make demo` starts it.")
        return found


def connect(servers: Servers, database: str) -> psycopg.Connection:
    """A superuser's autocommit connection to a database of the store, also where no portal runs on it any more."""
    return postgres.connect(servers.layout, Node.STORE, database)


def of(servers: Servers) -> Portal:
    """The portal that runs on this lab. Raises FaultImpossible where none does."""
    try:
        variables = environment.kept(servers.layout.run)
    except FileNotFoundError as error:
        raise FaultImpossible("No portal runs on this lab. `make demo` starts it.") from error
    return Portal(servers, environment.database(variables), variables["OPSPORTAL_REDIS_URL"])
