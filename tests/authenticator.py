"""An authenticator in software: enrols a passkey for a person and answers as a browser does, rightly or wrongly as a test wants it."""

import json
import os
from dataclasses import dataclass, field
from hashlib import sha256

from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from fido2.cose import ES256, CoseKey
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData

from apps.accounts.assertion import to_bytes, to_text
from apps.accounts.models import Person
from apps.accounts.passkeys import site

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


@dataclass
class Passkey:
    """One credential of one person; `count` goes up with each answer."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = field(default_factory=lambda: os.urandom(16))
    count: int = 0

    @property
    def public_key(self) -> bytes:
        """As COSE."""
        return cbor.encode(self._cose)

    @property
    def _cose(self) -> CoseKey:
        found: CoseKey = ES256.from_cryptography_key(self.key.public_key())  # type: ignore[no-untyped-call]
        return found

    def enrolment(self, challenge: bytes) -> str:
        """The new credential as JSON: the answer to an enrolment page."""
        data = AttestedCredentialData.create(bytes(16), self.credential_id, self._cose)
        flags = AuthenticatorData.FLAG(PRESENT | VERIFIED | ATTESTED)
        made = AuthenticatorData.create(sha256(site().rp_id.encode()).digest(), flags, self.count, data)
        client = self._client("webauthn.create", challenge, site().origin)
        parts = {"clientDataJSON": client, "attestationObject": AttestationObject.create("none", made, {})}
        return self._credential(parts)

    def enrol(self, person: Person, name: str = "Key") -> Authenticator:
        """As allauth keeps it after its enrolment page."""
        stored = {"name": name, "credential": json.loads(self.enrolment(b"any"))}
        made: Authenticator = Authenticator.objects.create(user=person, type=Authenticator.Type.WEBAUTHN, data=stored)
        return made

    def answer(
        self, digest: bytes, *, rp_id: str = "", origin: str = "", flags: int = PRESENT | VERIFIED, step: int = 1
    ) -> str:
        """The credential as JSON: an assertion over this digest."""
        self.count += step
        data = sha256((rp_id or site().rp_id).encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")
        client = self._client("webauthn.get", digest, origin or site().origin)
        signature = self.key.sign(data + sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._credential({"clientDataJSON": client, "authenticatorData": data, "signature": signature})

    def _credential(self, parts: dict[str, bytes]) -> str:
        identity = to_text(self.credential_id)
        response = {name: to_text(part) for name, part in parts.items()}
        told = {"id": identity, "rawId": identity, "type": "public-key", "response": response}
        return json.dumps(told | {"clientExtensionResults": {}})

    def _client(self, kind: str, challenge: bytes, origin: str) -> bytes:
        return json.dumps(
            {"type": kind, "challenge": to_text(challenge), "origin": origin, "crossOrigin": False}
        ).encode()


def challenge_in(options: dict[str, dict[str, str]]) -> bytes:
    """The challenge that a page asks an authenticator to sign."""
    return to_bytes(options["publicKey"]["challenge"])
