"""What the load generator sends: a mix of about 70 % reads and 30 % writes, from keys of every tier.

Which key, which conversation and which kind of request is drawn from a seeded generator, so a run can be repeated. Free
keys stay below their ten a minute, but for one that now and then sends twenty in a row and meets 429.
"""

import itertools
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from apps.lab.keys import Account, ApiKey

GREEDY = "free-1"
GREEDY_EVERY_SECONDS, GREEDY_REQUESTS = 180.0, 20
FREE_SHARE = 4 / 60  # requests/s that one Free key makes; its limit is 10/60
STANDARD_SHARE = 30 / 60
QUEUE_SECONDS = 1.0  # how often waiting messages are delivered
LIVELY = 40  # newest conversations of a key, among which most requests fall
# Reads 70, writes 30.
MIX = {"conversation": 38, "dashboard": 14, "recent": 6, "delivery": 8, "search": 3, "statistics": 1}
MIX_WRITES = {"send": 27, "announce": 2, "login": 1}
PAGES = {
    "dashboard": "/api/dashboard",
    "recent": "/api/messages/recent?days=30",
    "search": "/api/messages/search?q=appointment&days=7",
    "statistics": "/api/messages/statistics?months=6",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One request to send. `headers` hold the key, so this is never printed."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = b""


class Traffic:
    """Draws calls. Not shared between threads.

    `keys`: in the order of their ids. `conversations`, `announcements`: the highest ids. `rate`: requests/s in all.
    """

    def __init__(
        self,
        keys: tuple[ApiKey, ...],
        accounts: tuple[Account, ...],
        conversations: int,
        announcements: int,
        rate: float,
    ) -> None:
        self._keys, self._accounts = keys, accounts
        self._conversations, self._announcements = conversations, announcements
        self._random = random.Random(17)  # noqa: S311  no secret
        self._numbers = itertools.count(1)
        self._kinds = list((MIX | MIX_WRITES).items())
        self._weights = _weights(keys, rate)

    def next(self) -> Call:
        """One request of the mix."""
        kind = self._random.choices([name for name, _ in self._kinds], [weight for _, weight in self._kinds])[0]
        number = self._random.choices(range(len(self._keys)), self._weights)[0]
        return self._call(kind, number)

    def greedy(self) -> Call:
        """One request of the key that exceeds its limit."""
        number = next(n for n, key in enumerate(self._keys) if key.key_id == GREEDY)
        return self._call("dashboard", number)

    def delivery_work(self) -> Call:
        """The platform's own worker, with an Enterprise key."""
        return Call("POST", "/api/queue/deliver?limit=200", self._headers(len(self._keys) - 1))

    def _call(self, kind: str, number: int) -> Call:
        headers = self._headers(number)
        match kind:
            case "conversation":
                return Call("GET", f"/api/conversations/{self._conversation(number)}/messages", headers)
            case "delivery":
                return Call("GET", f"/api/messages/{self._announcement(number)}/delivery", headers)
            case "send":
                body = {"body": f"Thank you, that answers my question number {next(self._numbers)}."}
                return _post(f"/api/conversations/{self._conversation(number)}/messages", headers, body)
            case "announce":
                recipients = [f"recipient-{self._random.randrange(50_000)}@example.org" for _ in range(5)]
                news = {"subject": "News", "body": f"Announcement {next(self._numbers)}.", "recipients": recipients}
                return _post("/api/messages", headers, news)
            case "login":
                account = self._random.choice(self._accounts)
                return _post("/api/login", {}, {"email": account.email, "password": account.password})
        return Call("GET", PAGES[kind], headers)

    def _headers(self, number: int) -> dict[str, str]:
        return {"X-API-Key": self._keys[number].plain}

    def _conversation(self, number: int) -> int:
        """One of the key's newest conversations; the newer, the more often. Ids follow 1 + id % keys = the key's id."""
        newest = self._conversations - (self._conversations - number) % len(self._keys)
        back = min(int(self._random.expovariate(5 / LIVELY)), LIVELY - 1)
        return max(newest - back * len(self._keys), number or len(self._keys))

    def _announcement(self, number: int) -> int:
        newest = self._announcements - (self._announcements - number) % len(self._keys)
        return max(newest - self._random.randrange(LIVELY) * len(self._keys), number or len(self._keys))


def _post(path: str, headers: Mapping[str, str], document: Mapping[str, object]) -> Call:
    return Call("POST", path, {**headers, "Content-Type": "application/json"}, json.dumps(document).encode())


def _weights(keys: tuple[ApiKey, ...], rate: float) -> list[float]:
    """How much of the traffic each key makes: the small tiers what their limits allow, the others share the rest."""
    small = {"Free": min(FREE_SHARE, rate / 100), "Standard": min(STANDARD_SHARE, rate / 40)}
    fixed = {key.key_id: small[key.tier] for key in keys if key.tier in small and key.key_id != GREEDY}
    large = {key.key_id: 2.0 if key.tier == "Enterprise" else 1.0 for key in keys if key.tier not in small}
    rest = max(rate - sum(fixed.values()), 0.1)
    scale = rest / sum(large.values())
    return [fixed.get(key.key_id, large.get(key.key_id, 0.0) * scale) for key in keys]
