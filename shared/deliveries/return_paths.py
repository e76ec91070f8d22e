"""Where e-mails go back to: an address for each of them (VERP), so that a report says which one came back.

The address is `bounces+TOKEN@DOMAIN`. The token is the delivery's id and a keyed digest of it: whoever knows or guesses
an id can't make up a report about it. It is base32 in small letters, since mail servers may change the case.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from typing import Final
from uuid import UUID

_ID_BYTES: Final = 16
_DIGEST_BYTES: Final = 10
_PURPOSE: Final = b"portico return path 1 "
_PADDING: Final = "=" * 6

TOKEN_LENGTH: Final = 42
LONGEST_MAILBOX: Final = 64 - 1 - TOKEN_LENGTH
"""Characters that the part before the ``+`` may have (RFC 5321, 4.5.3.1.1)."""
SHORTEST_KEY: Final = 32
"""Characters."""


class ReturnTokens:
    """Makes tokens with the first key and knows them by any. Raises ValueError when there is none, or a short one."""

    def __init__(self, keys: str) -> None:
        """``keys`` are separated by white space, the one in use first."""
        self._keys = [key.encode() for key in keys.split()]
        if not self._keys or any(len(key) < SHORTEST_KEY for key in self._keys):
            raise ValueError(f"a key of return addresses has at least {SHORTEST_KEY} characters")

    def token(self, delivery_id: UUID) -> str:
        """The token of a delivery."""
        raw = delivery_id.bytes + _digest(self._keys[0], delivery_id.bytes)
        return base64.b32encode(raw).decode().rstrip("=").lower()

    def delivery(self, token: str) -> UUID | None:
        """The delivery of a token that was made here; None for everything else."""
        if len(token) != TOKEN_LENGTH or not token.isascii():
            return None
        try:
            raw = base64.b32decode(token.upper() + _PADDING)
        except binascii.Error:
            return None
        identity, digest = raw[:_ID_BYTES], raw[_ID_BYTES:]
        if not any(hmac.compare_digest(digest, _digest(key, identity)) for key in self._keys):
            return None
        return UUID(bytes=identity)

    def delivery_of(self, addresses: Iterable[str]) -> UUID | None:
        """The delivery of the first of these addresses that has a token. Their domain says nothing: mail was sorted."""
        for address in addresses:
            _, plus, token = address.rpartition("@")[0].rpartition("+")
            if plus and (found := self.delivery(token)) is not None:
                return found
        return None


class ReturnPaths:
    """The envelope senders of e-mails."""

    def __init__(self, address: str, tokens: ReturnTokens) -> None:
        """``address`` is plain and its mailbox has at most `LONGEST_MAILBOX` characters."""
        self._mailbox, _, self._domain = address.rpartition("@")
        self._tokens = tokens

    def of(self, delivery_id: UUID) -> str:
        """Where this one goes back to."""
        return f"{self._mailbox}+{self._tokens.token(delivery_id)}@{self._domain}"


def _digest(key: bytes, identity: bytes) -> bytes:
    return hmac.digest(key, _PURPOSE + identity, hashlib.sha256)[:_DIGEST_BYTES]
