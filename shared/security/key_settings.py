"""The keys that settings hold, checked when a process starts."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AfterValidator

from shared.clock import system_clock
from shared.deliveries.sealing import Opener, Sealer
from shared.security.boxes import Boxes
from shared.security.tokens import Signer
from shared.settings import wrong


def _signing_key(value: str) -> str:
    try:
        Signer(value, "", system_clock)
    except ValueError:
        raise wrong("must be an Ed25519 private key in PEM (PKCS 8), or several with the newest first") from None
    return value


def _public_sealing_key(value: str) -> str:
    try:
        Sealer(value)
    except ValueError:
        raise wrong("must be 32 bytes in base64") from None
    return value


def _private_sealing_key(value: str) -> str:
    try:
        Opener(value)
    except ValueError:
        raise wrong("must be 32 bytes in base64, or several such keys on lines of their own") from None
    return value


def _box_keys(value: str) -> str:
    try:
        Boxes(value)
    except ValueError:
        raise wrong("must be keys of 32 bytes in base64, separated by spaces or on lines of their own") from None
    return value


SigningKey: TypeAlias = Annotated[str, AfterValidator(_signing_key)]
"""A service's own Ed25519 private keys in PEM, the newest first: give the field ``repr=False``."""
SealingPublicKey: TypeAlias = Annotated[str, AfterValidator(_public_sealing_key)]
"""The notifier's public key: 32 bytes in base64."""
SealingPrivateKey: TypeAlias = Annotated[str, AfterValidator(_private_sealing_key)]
"""Its private halves, the newest first, separated by white space: give the field ``repr=False``."""
BoxKeys: TypeAlias = Annotated[str, AfterValidator(_box_keys)]
"""The keys of a service's boxes in the database; the first seals: give the field ``repr=False``."""
