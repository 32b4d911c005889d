"""Verifying a passkey's signature over some bytes, without the portal: standard library and `cryptography` only.

A WebAuthn assertion signs `authenticator data ‖ SHA-256(client data)`. The client data holds the challenge, which here is the SHA-256
of the bytes that were signed; the authenticator data holds the site's id and whether the person was verified (fingerprint, PIN).
So the stored parts and the public key prove what was signed, where, and that somebody proved to be the key's holder.
"""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

# COSE's numbers of the algorithms that are verified here: ES256, EdDSA (Ed25519), RS256. Others sign nothing in this portal.
ALGORITHMS = (-7, -8, -257)
PRESENT, VERIFIED = 0x01, 0x04
P256, ED25519 = 1, 6  # COSE's numbers of the curves


class AssertionInvalid(ValueError):
    """The assertion does not prove what it is said to prove; the message says which claim broke."""


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an authenticator answered, and the public key (COSE) it was enrolled with.

    `rp_id` and `origin`: the site it has to be for, such as `ops.example.org` and `https://ops.example.org`.
    """

    rp_id: str
    origin: str
    credential_id: bytes
    public_key: bytes
    authenticator_data: bytes
    client_data: bytes
    signature: bytes

    @property
    def sign_count(self) -> int:
        """How often the authenticator says that it signed; 0 where it does not count."""
        return int.from_bytes(self.authenticator_data[33:37], "big")

    def as_body(self) -> dict[str, Any]:
        """The parts as JSON, bytes in base64url without padding: as the ledger keeps them."""
        return {
            "rp_id": self.rp_id,
            "origin": self.origin,
            "credential_id": to_text(self.credential_id),
            "public_key": to_text(self.public_key),
            "authenticator_data": to_text(self.authenticator_data),
            "client_data": to_text(self.client_data),
            "signature": to_text(self.signature),
            "sign_count": self.sign_count,
        }


def verify_assertion(made: Assertion, signed: bytes) -> None:
    """
    See that this key's holder, verified by the authenticator, signed exactly these bytes at this site.

    Raises:
        AssertionInvalid: the first claim that does not hold, in words.
    """
    client = _client_data(made.client_data)
    if client.get("type") != "webauthn.get":
        raise AssertionInvalid("this is no assertion: it was made for another purpose")
    if client.get("challenge") != to_text(hashlib.sha256(signed).digest()):
        raise AssertionInvalid("the passkey signed other bytes than these")
    if client.get("origin") != made.origin or client.get("crossOrigin"):
        raise AssertionInvalid(f"the passkey signed for {client.get('origin')!r}, not for {made.origin!r}")
    data = made.authenticator_data
    if len(data) < 37:
        raise AssertionInvalid("the authenticator data is cut short")
    if data[:32] != hashlib.sha256(made.rp_id.encode()).digest():
        raise AssertionInvalid(f"the passkey signed for another site than {made.rp_id!r}")
    if not data[32] & PRESENT:
        raise AssertionInvalid("nobody was present at the authenticator")
    if not data[32] & VERIFIED:
        raise AssertionInvalid("the authenticator did not verify the person (fingerprint, face or PIN)")
    _verify_signature(made)


def _client_data(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError as error:
        raise AssertionInvalid("the client data is no JSON") from error
    if not isinstance(found, dict):
        raise AssertionInvalid("the client data is no JSON object")
    return found


def _verify_signature(made: Assertion) -> None:
    key, message = cose_key(made.public_key), made.authenticator_data + hashlib.sha256(made.client_data).digest()
    try:
        match key.get(3):
            case -7 if key.get(-1) == P256:
                x, y = int.from_bytes(key[-2], "big"), int.from_bytes(key[-3], "big")
                point = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
                point.verify(made.signature, message, ec.ECDSA(hashes.SHA256()))
            case -8 if key.get(-1) == ED25519:
                Ed25519PublicKey.from_public_bytes(key[-2]).verify(made.signature, message)
            case -257:
                modulus, exponent = int.from_bytes(key[-1], "big"), int.from_bytes(key[-2], "big")
                public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
                public.verify(made.signature, message, padding.PKCS1v15(), hashes.SHA256())
            case other:
                raise AssertionInvalid(f"keys of the algorithm {other} are not verified here")
    except InvalidSignature as error:
        raise AssertionInvalid("the signature is not of this key over these bytes") from error
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, AssertionInvalid):
            raise
        raise AssertionInvalid("the public key is malformed") from error


def cose_key(data: bytes) -> dict[int, Any]:
    """
    A COSE key: a CBOR map of whole numbers to whole numbers and byte strings, and nothing else. Raises AssertionInvalid.

    >>> cose_key(bytes.fromhex("a3010303270a4102"))
    {1: 3, 3: -8, 10: b'\\x02'}
    """
    found: dict[int, Any] = {}
    try:
        kind, pairs, rest = _head(data)
        for _number in range(pairs if kind == 5 else 0):
            name, rest = _item(rest)
            found[name], rest = _item(rest)
    except (IndexError, TypeError) as error:
        raise AssertionInvalid("the public key is malformed") from error
    if kind != 5 or rest:
        raise AssertionInvalid("the public key is malformed")
    return found


def _head(data: bytes) -> tuple[int, int, bytes]:
    """A CBOR item's kind, its number, and what follows."""
    kind, number = data[0] >> 5, data[0] & 31
    if number < 24:
        return kind, number, data[1:]
    width = {24: 1, 25: 2, 26: 4}.get(number)
    if width is None or len(data) <= width:
        raise AssertionInvalid("the public key is malformed")
    return kind, int.from_bytes(data[1 : 1 + width], "big"), data[1 + width :]


def _item(data: bytes) -> tuple[Any, bytes]:
    kind, number, rest = _head(data)
    if kind in {0, 1}:
        return (number if kind == 0 else -1 - number), rest
    if kind != 2 or len(rest) < number:
        raise AssertionInvalid("the public key is malformed")
    return rest[:number], rest[number:]


def to_text(data: bytes) -> str:
    """Base64url without padding, as WebAuthn writes bytes."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def to_bytes(text: str) -> bytes:
    """The bytes of a base64url text; raises AssertionInvalid when it is none."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise AssertionInvalid("a part is no base64url") from error
