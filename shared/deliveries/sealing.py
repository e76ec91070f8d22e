"""Sealed boxes (X25519, XSalsa20-Poly1305; libsodium's crypto_box_seal): anybody seals, only the notifier opens."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Self

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox


class CannotOpen(Exception):
    """The box was sealed for another key, or it is damaged."""


def key_name(public_key: bytes) -> str:
    """A short name of a public key, kept beside what it sealed so that keys can rotate."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def _key_bytes(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("a sealing key is 32 bytes in base64") from error
    if len(raw) != 32:
        raise ValueError("a sealing key is 32 bytes in base64")
    return raw


class Sealer:
    """The publishers' half. Raises ValueError when the key is not 32 bytes in base64."""

    def __init__(self, public_key: str) -> None:
        self.use(_key_bytes(public_key))

    @classmethod
    def of(cls, public_key: bytes) -> Self:
        """Seals for this key."""
        return cls(base64.b64encode(public_key).decode())

    def use(self, public_key: bytes) -> None:
        """Seal for this key from now on."""
        self._box = SealedBox(PublicKey(public_key))
        self.sealed_for = key_name(public_key)

    def seal(self, secret: str) -> bytes:
        """A box that only the holder of the private key opens."""
        return bytes(self._box.encrypt(secret.encode()))


class Opener:
    """The notifier's half: several keys while they rotate. Raises ValueError when one is not 32 bytes in base64."""

    def __init__(self, private_keys: str) -> None:
        """``private_keys`` are separated by white space."""
        self.take(private_keys)

    def take(self, private_keys: str) -> None:
        """Go on with these keys. Raises ValueError, and changes nothing then."""
        found = [PrivateKey(_key_bytes(text)) for text in private_keys.split()]
        if not found:
            raise ValueError("there is no key")
        self._boxes = {key_name(bytes(key.public_key)): SealedBox(key) for key in found}
        self.public_keys = {key_name(bytes(key.public_key)): bytes(key.public_key) for key in found}

    @property
    def public_base64(self) -> str:
        """The public half of its first key, as a setting takes it."""
        return base64.b64encode(next(iter(self.public_keys.values()))).decode()

    def opens(self, sealed_for: str) -> bool:
        """Whether it holds the key of this name."""
        return sealed_for in self._boxes

    def open(self, box: bytes) -> str:
        """What was sealed for one of the keys. Raises CannotOpen."""
        for held in self._boxes.values():
            try:
                return held.decrypt(box).decode()
            except (CryptoError, UnicodeDecodeError):
                continue
        raise CannotOpen


def new_key_pair() -> tuple[str, str]:
    """A fresh (private, public) pair in base64."""
    key = PrivateKey.generate()
    return base64.b64encode(bytes(key)).decode(), base64.b64encode(bytes(key.public_key)).decode()
