"""Keys of the demo: API keys of every tier and the people who log in, derived from one secret that only the lab
directory holds.

The database gets hashes. Whoever may read the lab directory (the load generator, the tests) derives the plain keys
again.
"""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

SECRET_FILE = "workload.secret"  # noqa: S105  a file's name
TIERS = {"Free": 12, "Standard": 8, "Pro": 4, "Enterprise": 2}  # how many keys of each
ACCOUNTS = 20
_SCRYPT = {"n": 2**12, "r": 8, "p": 1, "dklen": 32}


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One client's key: `key_id` is safe to show; `plain`, sent in X-API-Key, is never stored or logged."""

    key_id: str
    tier: str
    plain: str

    @property
    def digest(self) -> bytes:
        """What the database keeps: 32 bytes."""
        return hash_key(self.plain)


@dataclass(frozen=True, slots=True)
class Account:
    """A person of a client, who logs in at /api/login."""

    email: str
    password: str

    @property
    def digest(self) -> bytes:
        """What the database keeps: 32 bytes."""
        return hash_password(self.email, self.password)


def hash_key(plain: str) -> bytes:
    """SHA-256: enough for a key of 160 random bits, and cheap enough for each request."""
    return hashlib.sha256(plain.encode()).digest()


def hash_password(email: str, password: str) -> bytes:
    """scrypt, salted with the e-mail address; about 10 ms."""
    return hashlib.scrypt(password.encode(), salt=email.lower().encode(), **_SCRYPT)


def secret(directory: Path) -> bytes:
    """The secret of this lab, made at the first call; readable by its owner only."""
    path = directory / SECRET_FILE
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
    return bytes.fromhex(path.read_text(encoding="ascii"))


def derive(of: bytes, label: str) -> str:
    """40 hexadecimal digits that nobody can compute without the secret."""
    return hmac.new(of, label.encode(), hashlib.sha256).hexdigest()[:40]


def api_keys(of: bytes) -> tuple[ApiKey, ...]:
    """Every key, in the order of its id in the table `api_key` (1, 2, …)."""
    names = [(f"{tier.lower()}-{number}", tier) for tier, count in TIERS.items() for number in range(1, count + 1)]
    return tuple(ApiKey(key_id, tier, f"msk_{derive(of, key_id)}") for key_id, tier in names)


def accounts(of: bytes) -> tuple[Account, ...]:
    """Every person who may log in; person n belongs to the key with id 1 + n modulo the number of keys."""
    emails = [f"person-{number}@client.example" for number in range(ACCOUNTS)]
    return tuple(Account(email, derive(of, email)) for email in emails)
