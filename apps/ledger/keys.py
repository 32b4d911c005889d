"""Keys that sign: the ledger's and the witness's, Ed25519, each kept by its own process outside the database.

Written in one line, `PRIVATE+KEY+<name>+<id>+<base64 of kind and seed>` (C2SP's signed-note). What is handed on is the public line.
"""

import base64
import re
import secrets
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from apps.ledger.offline.verify import LOG, WITNESS, Key, Note

NAME = re.compile(r"[a-z0-9][a-z0-9.:/_-]{2,99}")


class KeyUnusable(ValueError):
    """A key that cannot be used; the message says what it should look like and how one is made."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key: its name, its kind (LOG or WITNESS) and 32 secret bytes, which are never shown."""

    name: str
    kind: int
    seed: bytes = field(repr=False)

    @property
    def public(self) -> Key:
        """What others check its signatures with."""
        return Key(
            self.name, self.kind, Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw()
        )

    @property
    def secret(self) -> str:
        """The line to be kept in a file that only its process reads."""
        packed = base64.b64encode(bytes([self.kind]) + self.seed).decode()
        return f"PRIVATE+KEY+{self.name}+{self.public.id.hex()}+{packed}"

    @classmethod
    def make(cls, name: str, kind: int) -> "SigningKey":
        """A new key; raises KeyUnusable for a name that cannot stand in a note."""
        if not NAME.fullmatch(name):
            raise KeyUnusable(
                f"{name!r} is no name for a key: write small letters, digits and . : / _ -, such as ops.example.org/ledger."
            )
        return cls(name, kind, secrets.token_bytes(32))

    @classmethod
    def parse(cls, text: str, kind: int) -> "SigningKey":
        """Read the private line. Raises KeyUnusable; what is wrong is said without showing it."""
        found = re.fullmatch(r"PRIVATE\+KEY\+([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})", text.strip())
        packed = base64.b64decode(found[3]) if found else b""
        command = "ledger key" if kind == LOG else "ledger key --witness"
        if found is None or len(packed) != 33 or packed[0] != kind:
            raise KeyUnusable(
                f"This is no key of this kind. Make one with `manage.py {command}` and give it as it was printed."
            )
        key = cls(found[1], kind, packed[1:])
        if key.public.id.hex() != found[2]:
            raise KeyUnusable(f"The key named {key.name} is damaged: its id does not fit. Restore it, or make another.")
        return key

    def sign(self, text: str, at: int = 0) -> str:
        """The signature line under a note's text; `at` (seconds since 1970) is what a witness adds."""
        private, message, stamp = Ed25519PrivateKey.from_private_bytes(self.seed), text.encode(), b""
        if self.kind == WITNESS:
            message, stamp = b"cosignature/v1\ntime %d\n" % at + message, at.to_bytes(8, "big")
        packed = base64.b64encode(self.public.id + stamp + private.sign(message)).decode()
        return f"— {self.name} {packed}\n"


def signed(text: str, *lines: str) -> str:
    """A note: the text (which ends with a newline), an empty line, the signature lines."""
    return text + "\n" + "".join(lines)


def rendered(note: Note) -> str:
    """A parsed note as it was written."""
    lines = (f"— {name} {base64.b64encode(key_id + blob).decode()}\n" for name, key_id, blob in note.lines)
    return signed(note.text, *lines)
