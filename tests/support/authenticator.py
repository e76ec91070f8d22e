"""An authenticator in software: it makes passkeys and signs with them as a phone does, or wrongly when told to."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

_UP, _UV, _BE, _BS, _AT = 0x01, 0x04, 0x08, 0x10, 0x40


def encoded(data: bytes) -> str:
    """base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """The other way round."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """One passkey in one device. ``origin`` is what the browser says of the page that asks.

    ``counts``: the counter goes up with each use; others, such as the keychains of phones, always say 0.
    """

    origin: str
    counts: bool = True
    verifies: bool = True
    backed_up: bool = False
    rp_id: str | None = None
    cross_origin: bool = False
    counter: int = 0
    user_handle: bytes = b""
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(20))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def create(self, options: Mapping[str, Any], **client: Any) -> dict[str, Any]:
        """Answer ``navigator.credentials.create``."""
        self.user_handle = decoded(options["user"]["id"])
        rp_id = self.rp_id or options["rp"]["id"]
        data = self._authenticator_data(rp_id, _AT) + bytes(16) + len(self.credential_id).to_bytes(2, "big")
        attestation = {"fmt": "none", "attStmt": {}, "authData": data + self.credential_id + self._public_key()}
        response = {
            "clientDataJSON": self._client_data("webauthn.create", options, client),
            "attestationObject": encoded(cbor2.dumps(attestation)),
            "transports": ["internal", "hybrid"],
        }
        return self._credential(response)

    def get(self, options: Mapping[str, Any], **client: Any) -> dict[str, Any]:
        """Answer ``navigator.credentials.get``."""
        self.counter += 1 if self.counts else 0
        data = self._authenticator_data(self.rp_id or options["rpId"], 0)
        client_data = self._client_data("webauthn.get", options, client)
        signed = data + hashlib.sha256(decoded(client_data)).digest()
        response = {
            "clientDataJSON": client_data,
            "authenticatorData": encoded(data),
            "signature": encoded(self.key.sign(signed, ec.ECDSA(hashes.SHA256()))),
            "userHandle": encoded(self.user_handle),
        }
        return self._credential(response)

    def _authenticator_data(self, rp_id: str, flags: int) -> bytes:
        flags |= _UP | (_UV if self.verifies else 0) | (_BE | _BS if self.backed_up else 0)
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + self.counter.to_bytes(4, "big")

    def _client_data(self, kind: str, options: Mapping[str, Any], client: Mapping[str, Any]) -> str:
        said = {
            "type": kind,
            "challenge": options["challenge"],
            "origin": self.origin,
            "crossOrigin": self.cross_origin,
            **client,
        }
        return encoded(json.dumps(said).encode())

    def _public_key(self) -> bytes:
        point = self.key.public_key().public_numbers()
        x, y = point.x.to_bytes(32, "big"), point.y.to_bytes(32, "big")
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})

    def _credential(self, response: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": encoded(self.credential_id),
            "rawId": encoded(self.credential_id),
            "type": "public-key",
            "response": response,
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
        }
