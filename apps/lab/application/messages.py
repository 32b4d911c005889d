"""What the messaging application does: pieces of work over the database, with cache-aside where that switch is on."""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from redis import Redis

from apps.cache.aside import Aside, Policy
from apps.lab.application.database import Database, Statements
from apps.lab.keys import hash_key, hash_password
from apps.lab.switches import SwitchBoard
from apps.ratelimits.limiter import Tier

T = TypeVar("T")
TOKEN_SECONDS = 3600
FIRST_PAGE = 50  # rows of a conversation that are kept in the cache
CACHES = {
    "api-keys": Policy(timedelta(seconds=60)),
    "dashboards": Policy(timedelta(seconds=30), stale=timedelta(seconds=30)),
    "conversations": Policy(timedelta(seconds=60)),
    "statistics": Policy(timedelta(minutes=2), stale=timedelta(minutes=1)),
    "deliveries": Policy(timedelta(seconds=60)),
}


@dataclass(frozen=True, slots=True)
class Client:
    """Who asks: the row of api_key, without the key."""

    id: int
    key_id: str
    tier: Tier


class NotTheirs(LookupError):
    """What was asked for does not exist, or belongs to another client; nobody is told which."""


class Messaging:
    """The application's work. Threads share one."""

    def __init__(self, database: Database, board: SwitchBoard, cache: Redis) -> None:
        self._database, self._board = database, board
        self.caches: dict[str, Aside[Any]] = {name: Aside(cache, name, policy) for name, policy in CACHES.items()}
        self._signing = secrets.token_bytes(32)  # tokens end with the process

    def client_of_key(self, plain: str) -> Client | None:
        """Whose key this is; None for one that is unknown or revoked."""
        digest = hash_key(plain)
        row = self._cached(
            "api-keys", digest.hex()[:24], lambda: self._database.read(lambda db: db.first("api_key", digest=digest))
        )
        return Client(row["id"], row["key_id"], Tier(row["tier"])) if row else None

    def log_in(self, email: str, password: str) -> str | None:
        """A token for an hour; None when e-mail or password are wrong."""
        row = self._database.read(lambda db: db.first("account", email=email))
        given = hash_password(email, password)
        if row is None or not hmac.compare_digest(given, row["password_hash"]):
            return None
        self._database.write(lambda db: db.run("logged_in", id=row["id"]))
        facts = {"i": row["api_key_id"], "k": row["key_id"], "t": row["tier"], "e": int(time.time()) + TOKEN_SECONDS}
        body = base64.urlsafe_b64encode(json.dumps(facts).encode()).decode()
        return f"{body}.{self._seal(body)}"

    def client_of_token(self, token: str) -> Client | None:
        """Who logged in for this token; None for one that is forged or over."""
        body, _, seal = token.partition(".")
        if not hmac.compare_digest(seal.encode(), self._seal(body).encode()):
            return None
        facts = json.loads(base64.urlsafe_b64decode(body))
        return Client(facts["i"], facts["k"], Tier(facts["t"])) if facts["e"] > time.time() else None

    def dashboard(self, client: Client) -> dict[str, Any]:
        """The last day by status, and the newest conversations."""

        def load() -> dict[str, Any]:
            def work(db: Statements) -> dict[str, Any]:
                return {
                    "last_day": db.run("dashboard", api_key_id=client.id),
                    "conversations": db.run("conversations", api_key_id=client.id, limit=10),
                }

            return self._database.read(work, client.id)

        return self._cached("dashboards", client.key_id, load)

    def conversation(self, client: Client, number: int, before: datetime | None, limit: int) -> list[dict[str, Any]]:
        """One page of a conversation, newest first; the first page is kept in the cache. Raises NotTheirs."""

        def load(limit: int = FIRST_PAGE) -> list[dict[str, Any]]:
            def work(db: Statements) -> list[dict[str, Any]]:
                self._own(db, client, number)
                return db.run(
                    "conversation_messages",
                    conversation_id=number,
                    api_key_id=client.id,
                    before=before or datetime.now(UTC) + timedelta(minutes=1),
                    limit=limit,
                )

            return self._database.read(work, client.id)

        return load(limit) if before else self._cached("conversations", f"{number}/{client.id}", load)[:limit]

    def send(self, client: Client, number: int, sender: int, body: str) -> dict[str, Any]:
        """A message into a conversation, and the work of its delivery, in one transaction. Raises NotTheirs."""

        def work(db: Statements) -> dict[str, Any]:
            channel = self._own(db, client, number)["channel"]
            values = {"conversation_id": number, "api_key_id": client.id, "sender_id": sender, "channel": channel}
            sent = db.run("send", **values, body=body)[0]
            db.run("conversation_grew", conversation_id=number)
            db.run("enqueue", id=sent["id"], created_at=sent["created_at"])
            return sent

        sent = self._database.write(work, client.id)
        self._forget("conversations", [f"{number}/{client.id}"])
        return sent

    def recent(self, client: Client, days: int) -> list[dict[str, Any]]:
        """The newest messages of the last days."""
        return self._database.read(lambda db: db.run("recent", api_key_id=client.id, days=days), client.id)

    def search(self, client: Client, days: int, text: str) -> list[dict[str, Any]]:
        """Messages of the last days that contain a text, whatever its case."""
        pattern = "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        return self._database.read(
            lambda db: db.run("search", api_key_id=client.id, days=days, pattern=pattern), client.id
        )

    def statistics(self, client: Client, months: int) -> list[dict[str, Any]]:
        """Deliveries by month."""

        def load() -> list[dict[str, Any]]:
            return self._database.read(lambda db: db.run("delivery_statistics", api_key_id=client.id, months=months))

        return self._cached("statistics", f"{client.key_id}/{months}", load)

    def announce(self, client: Client, subject: str, body: str, addresses: list[str]) -> int:
        """One text to many; returns its id."""

        def work(db: Statements) -> int:
            values = {"api_key_id": client.id, "subject": subject, "body": body, "recipient_count": len(addresses)}
            number = int(db.run("announce", **values)[0]["id"])
            db.run("announce_to", message_id=number, addresses=addresses)
            return number

        return self._database.write(work, client.id)

    def delivery(self, client: Client, number: int) -> list[dict[str, Any]]:
        """How far an announcement got, by status. Raises NotTheirs."""

        def load() -> list[dict[str, Any]]:
            return self._database.read(
                lambda db: db.run("delivery", message_id=number, api_key_id=client.id), client.id
            )

        rows = self._cached("deliveries", f"{number}/{client.key_id}", load)
        if not rows:
            raise NotTheirs(f"There is no message {number}.")
        return rows

    def deliver(self, limit: int) -> int:
        """Take waiting work from the queue and deliver it; returns how many messages were."""

        def work(db: Statements) -> list[dict[str, Any]]:
            taken = db.run("take_waiting", limit=limit)
            if not taken:
                return []
            times = [row["message_created_at"] for row in taken]
            ids = [row["conversation_message_id"] for row in taken]
            return db.run("deliver", ids=ids, first=min(times), last=max(times))

        delivered = self._database.write(work)
        self._forget("conversations", {f"{row['conversation_id']}/{row['api_key_id']}" for row in delivered})
        return len(delivered)

    def _own(self, db: Statements, client: Client, number: int) -> dict[str, Any]:
        row = db.first("conversation", conversation_id=number, api_key_id=client.id)
        if row is None:
            raise NotTheirs(f"There is no conversation {number}.")
        return row

    def _cached(self, namespace: str, key: str, load: Callable[[], T]) -> T:
        if not self._board.now().cache:
            return load()
        cache: Aside[T] = self.caches[namespace]
        return cache.get(key, load)

    def _forget(self, namespace: str, keys: Collection[str]) -> None:
        if self._board.now().cache and keys:
            self.caches[namespace].invalidate(*keys)

    def _seal(self, body: str) -> str:
        return hmac.new(self._signing, body.encode(), hashlib.sha256).hexdigest()
