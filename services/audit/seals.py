"""Seals: signed ends of chains. What is signed, how a seal is exported, and which keys are believed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from shared.security.tokens import key_id

Verdict = Literal["good", "wrong", "unknown"]
"""Of a signature: made by a key that is believed, by nobody who has it, or by a key that was not given."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# The version of the statement; another form gets another number, so that no text has two meanings.
_HEAD: Final = "portico seal 1"


class NoSeal(ValueError):
    """A line cannot be read as a seal."""


class NoKey(ValueError):
    """A text is not an Ed25519 key in PEM."""


@dataclass(frozen=True, slots=True)
class Seal:
    """The end of a chain (``seq`` events, ``link``) at a moment, signed; with all that verification has to know of it.

    ``unchained`` is how many events of the time before there were chains lie beside it; ``previous_*`` is the end of
    the agency's earlier chain that it begins at.
    """

    agency_id: UUID
    year: int
    seq: int
    link: bytes
    unchained: int
    previous_year: int | None
    previous_seq: int | None
    previous_link: bytes | None
    sealed_at: Annotated[datetime, msgspec.Meta(tz=True)]
    kid: str
    signature: bytes = b""

    def statement(self) -> bytes:
        """What is signed: one line each, numbers in decimal, digests in hex, ``-`` for what is not there."""
        return "\n".join(
            (
                _HEAD,
                str(self.agency_id),
                str(self.year),
                str(self.seq),
                self.link.hex(),
                str(self.unchained),
                "-" if self.previous_year is None else str(self.previous_year),
                "-" if self.previous_seq is None else str(self.previous_seq),
                "-" if self.previous_link is None else self.previous_link.hex(),
                str((self.sealed_at - _EPOCH) // _MICROSECOND),
                self.kid,
            )
        ).encode()

    def to_line(self) -> bytes:
        """The seal as it is exported: a JSON object and a line's end; digests and signature in base64."""
        return msgspec.json.encode(self) + b"\n"


_DECODER: Final = msgspec.json.Decoder(Seal)


def from_line(line: bytes) -> Seal:
    """Read an exported seal. Raises NoSeal."""
    try:
        return _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise NoSeal("no seal") from error


class SealKey:
    """The private key that seals are signed with. Raises NoKey when the PEM is not an Ed25519 private key."""

    def __init__(self, private_pem: str) -> None:
        try:
            key = load_pem_private_key(private_pem.encode(), password=None)
        except (TypeError, ValueError, UnsupportedAlgorithm) as error:
            raise NoKey("a seal key is an Ed25519 private key in PEM (PKCS 8)") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise NoKey("a seal key is an Ed25519 private key in PEM (PKCS 8)")
        self._key = key
        self.kid = key_id(key.public_key().public_bytes_raw())

    @property
    def public_pem(self) -> str:
        """Its public half, for those who verify."""
        public = self._key.public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, seal: Seal) -> Seal:
        """The same seal under this key."""
        unsigned = replace(seal, kid=self.kid)
        return replace(unsigned, signature=self._key.sign(unsigned.statement()))


class PublicKeys:
    """The keys that are believed, old ones among them. Raises NoKey when a PEM is not an Ed25519 public key."""

    def __init__(self, public_pems: Iterable[str]) -> None:
        keys = [_public_key(pem) for pem in public_pems]
        self._keys = {key_id(key.public_bytes_raw()): key for key in keys}

    def judge(self, seal: Seal) -> Verdict:
        """Whose signature the seal carries."""
        key = self._keys.get(seal.kid)
        if key is None:
            return "unknown"
        try:
            key.verify(seal.signature, seal.statement())
        except InvalidSignature:
            return "wrong"
        return "good"


def _public_key(pem: str) -> Ed25519PublicKey:
    try:
        key = load_pem_public_key(pem.encode())
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise NoKey("a public key is an Ed25519 public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise NoKey("a public key is an Ed25519 public key in PEM")
    return key
