"""Passkeys (Web Authentication, level 3): what authenticators are asked for, and whether their answers are good.

A passkey alone signs somebody in. So each one is stored in the authenticator, which has to check its owner by PIN,
finger or face every time: something they have, and something they know or are (NIST SP 800-63B-4, section 3.1.7).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

import webauthn
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from webauthn.helpers import (
    base64url_to_bytes,
    options_to_json_dict,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

_ALGORITHMS: Final = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    # Windows Hello on older machines has nothing else.
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
_LONGEST_CREDENTIAL_ID: Final = 1023
_LONGEST_PUBLIC_KEY: Final = 2048
_TIMEOUT_MS: Final = 300_000
# What the library, and the libraries below it, raise over bytes that a program made up.
_BROKEN: Final = (
    WebAuthnException,
    InvalidSignature,
    UnsupportedAlgorithm,
    LookupError,
    ArithmeticError,
    AttributeError,
    TypeError,
    ValueError,
    RecursionError,
)


class PasskeyWrong(Exception):
    """The answer of an authenticator is not what was asked for; the message says why, for us alone."""


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """For whom passkeys are made: ``id`` is the host of our public address, ``origin`` all of it."""

    id: str
    origin: str

    @classmethod
    def at(cls, public_url: str) -> RelyingParty:
        """The one of a service's public address."""
        url = urlsplit(public_url)
        port = f":{url.port}" if url.port and url.port != {"http": 80, "https": 443}.get(url.scheme) else ""
        host = url.hostname or ""
        return cls(host, f"{url.scheme}://{host}{port}")


@dataclass(frozen=True, slots=True)
class NewPasskey:
    """What an authenticator says of a passkey that it has just made."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...]
    backup_eligible: bool
    backed_up: bool


@dataclass(frozen=True, slots=True)
class Use:
    """What an authenticator says when it is used. ``sign_count`` is 0 where it does not count."""

    sign_count: int
    backed_up: bool

    def counts_on_from(self, sign_count: int) -> bool:
        """Whether the counter went on from this one: if not, there may be two of the authenticator."""
        return (self.sign_count == 0 and sign_count == 0) or self.sign_count > sign_count


def creation_options(
    rp: RelyingParty,
    *,
    challenge: bytes,
    person_id: UUID,
    username: str,
    agency_name: str,
    existing: Sequence[tuple[bytes, Sequence[str]]],
) -> dict[str, Any]:
    """For ``navigator.credentials.create``, as JSON; ``existing`` are ids and transports of what is there already."""
    options = webauthn.generate_registration_options(
        rp_id=rp.id,
        rp_name=agency_name,
        user_id=person_id.bytes,
        # People may have logins at several agencies on this host, and choose among all of them.
        user_name=f"{username} ({agency_name})",
        user_display_name=username,
        challenge=challenge,
        timeout=_TIMEOUT_MS,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[
            PublicKeyCredentialDescriptor(id=id_, transports=[AuthenticatorTransport(t) for t in transports])
            for id_, transports in existing
        ],
        supported_pub_key_algs=_ALGORITHMS,
    )
    return options_to_json_dict(options)


def request_options(rp: RelyingParty, *, challenge: bytes) -> dict[str, Any]:
    """For ``navigator.credentials.get``, as JSON. Nobody is named, so nobody learns who has a passkey."""
    options = webauthn.generate_authentication_options(
        rp_id=rp.id, challenge=challenge, timeout=_TIMEOUT_MS, user_verification=UserVerificationRequirement.REQUIRED
    )
    return options_to_json_dict(options)


def verified_new(rp: RelyingParty, credential: Mapping[str, Any], *, challenge: bytes) -> NewPasskey:
    """The passkey that was made in answer to the challenge. Raises PasskeyWrong."""
    try:
        parsed = parse_registration_credential_json(dict(credential))
        _refuse_frames(parsed.response.client_data_json)
        made = webauthn.verify_registration_response(
            credential=parsed,
            expected_challenge=challenge,
            expected_rp_id=rp.id,
            expected_origin=rp.origin,
            require_user_verification=True,
            supported_pub_key_algs=_ALGORITHMS,
        )
    except _BROKEN as error:
        raise PasskeyWrong(str(error)) from error
    if len(made.credential_id) > _LONGEST_CREDENTIAL_ID or len(made.credential_public_key) > _LONGEST_PUBLIC_KEY:
        raise PasskeyWrong("the credential is too long")
    return NewPasskey(
        credential_id=made.credential_id,
        public_key=made.credential_public_key,
        sign_count=made.sign_count,
        transports=tuple(dict.fromkeys(t.value for t in parsed.response.transports or ())),
        backup_eligible=made.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
        backed_up=made.credential_backed_up,
    )


def claimed_id(credential: Mapping[str, Any]) -> bytes | None:
    """Which credential it says it is; nothing is proved by that."""
    text = credential.get("id")
    try:
        found = base64url_to_bytes(text) if isinstance(text, str) else b""
    except ValueError:
        return None
    return found if 0 < len(found) <= _LONGEST_CREDENTIAL_ID else None


def verified_use(
    rp: RelyingParty,
    credential: Mapping[str, Any],
    *,
    challenge: bytes,
    public_key: bytes,
    person_id: UUID,
    backup_eligible: bool,
) -> Use:
    """What the authenticator signed, if this passkey did; its counter is for the caller to compare.

    Raises PasskeyWrong.
    """
    try:
        parsed = parse_authentication_credential_json(dict(credential))
        _refuse_frames(parsed.response.client_data_json)
        used = webauthn.verify_authentication_response(
            credential=parsed,
            expected_challenge=challenge,
            expected_rp_id=rp.id,
            expected_origin=rp.origin,
            credential_public_key=public_key,
            # The library compares before it checks the signature; a counter means something only after that.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    except _BROKEN as error:
        raise PasskeyWrong(str(error)) from error
    if not hmac.compare_digest(parsed.response.user_handle or b"", person_id.bytes):
        raise PasskeyWrong("it names somebody else")
    if (used.credential_device_type is CredentialDeviceType.MULTI_DEVICE) != backup_eligible:
        raise PasskeyWrong("whether it can be backed up never changes")
    return Use(used.new_sign_count, used.credential_backed_up)


def _refuse_frames(client_data: bytes) -> None:
    # No page of ours is shown within another site's.
    if parse_client_data_json(client_data).cross_origin:
        raise PasskeyWrong("it was asked for in a frame of another site")
