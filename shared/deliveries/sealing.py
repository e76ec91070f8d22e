"""Sealed boxes (X25519, XSalsa20-Poly1305; libsodium's crypto_box_seal): anybody seals, only the notifier opens."""

from __future__ import annotations

import base64
import binascii
import hashlib

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
        raw = _key_bytes(public_key)
        self._box = SealedBox(PublicKey(raw))
        self.sealed_for = key_name(raw)

    def seal(self, secret: str) -> bytes:
        """A box that only the holder of the private key opens."""
        return bytes(self._box.encrypt(secret.encode()))


class Opener:
    """The notifier's half."""

    def __init__(self, private_key: str) -> None:
        key = PrivateKey(_key_bytes(private_key))
        self._box = SealedBox(key)
        self.opens = key_name(bytes(key.public_key))

    def open(self, box: bytes) -> str:
        """What was sealed. Raises CannotOpen."""
        try:
            return self._box.decrypt(box).decode()
        except (CryptoError, UnicodeDecodeError) as error:
            raise CannotOpen from error


def new_key_pair() -> tuple[str, str]:
    """A fresh (private, public) pair in base64."""
    key = PrivateKey.generate()
    return base64.b64encode(bytes(key)).decode(), base64.b64encode(bytes(key.public_key)).decode()
