"""What has to be kept readable for a service alone: boxes in the database, whose keys are not in it.

XChaCha20-Poly1305 (libsodium). A box begins with the name of its key, so that keys can rotate, and belongs to its
owner: moved to somebody else's row it does not open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

from nacl.exceptions import CryptoError
from nacl.secret import Aead
from nacl.utils import random

_KEY_BYTES: Final = 32
_NAME_BYTES: Final = 8


class CannotOpen(Exception):
    """The box is damaged, somebody else's, or its key is not here any more."""


class Boxes:
    """A service's keys: the first seals, all of them open. Raises ValueError for what is not 32 bytes in base64."""

    def __init__(self, keys: str) -> None:
        """``keys`` are separated by white space."""
        self.take(keys)

    def take(self, keys: str) -> None:
        """Go on with these keys. Raises ValueError, and changes nothing then."""
        found = [_key_bytes(text) for text in keys.split()]
        if not found:
            raise ValueError("there is no key")
        self._boxes = {_name(key): Aead(key) for key in found}
        self._seals_with = _name(found[0])

    def seal(self, plain: bytes, *, owner: bytes) -> bytes:
        """A box of ``owner``'s, who is named again to open it."""
        name = self._seals_with
        return name + bytes(self._boxes[name].encrypt(plain, aad=name + owner))

    def open(self, box: bytes, *, owner: bytes) -> bytes:
        """What was sealed for ``owner``. Raises CannotOpen."""
        name, sealed = box[:_NAME_BYTES], box[_NAME_BYTES:]
        found = self._boxes.get(name)
        if found is None:
            raise CannotOpen
        try:
            return bytes(found.decrypt(sealed, aad=name + owner))
        except (CryptoError, ValueError) as error:
            raise CannotOpen from error

    def outdated(self, box: bytes) -> bool:
        """Whether it was sealed with another key than the first: whoever opens it may seal it anew."""
        return not box.startswith(self._seals_with)


def new_box_key() -> str:
    """A fresh key in base64."""
    return base64.b64encode(random(_KEY_BYTES)).decode()


def box_key_name(key: str) -> str:
    """What a key is called, in hexadecimal. Raises ValueError for what is no key."""
    return _name(_key_bytes(key)).hex()


def _key_bytes(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("a key of a box is 32 bytes in base64") from error
    if len(raw) != _KEY_BYTES:
        raise ValueError("a key of a box is 32 bytes in base64")
    return raw


def _name(key: bytes) -> bytes:
    return hashlib.sha256(b"portico box key" + key).digest()[:_NAME_BYTES]
