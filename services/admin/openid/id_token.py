"""The ID token: a provider's signed word on who has signed in (OpenID Connect Core 1.0, section 3.1.3.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from authlib.oidc.core import CodeIDToken
from joserfc import jwk, jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import Key, KeySet
from joserfc.jws import JWSRegistry

from services.admin.openid.metadata import Metadata
from shared.http.fields import has_control_characters

LEEWAY: Final = timedelta(minutes=1)
"""By how much clocks may differ."""
_KEY_TYPES: Final = ("RSA", "EC", "OKP")
_MOST_KEYS: Final = 100
# 2048 to 8192 bits in base64 without padding: NIST SP 800-131A takes no shorter ones, and checking with much longer
# ones, or with a large exponent, would keep the event loop busy.
_MODULUS: Final = range(342, 1367)
_LONGEST_EXPONENT: Final = 8
_LONGEST_SUBJECT: Final = 255


class NotProven(Exception):
    """Why the provider's word does not count; for logs, and without anything secret."""


class UnknownKey(NotProven):
    """It is signed with a key that was not in the key set; a newer set may have it."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the token has to say, and the access token that came with it."""

    metadata: Metadata
    client_id: str
    nonce: str
    access_token: str | None


def usable_keys(document: Mapping[str, Any]) -> KeySet | None:
    """The public keys of a key set that may have signed a token; None when there are none. Others are passed over."""
    listed = document.get("keys")
    found: list[Key] = []
    for item in listed[:_MOST_KEYS] if isinstance(listed, list) else ():
        if not isinstance(item, dict) or item.get("kty") not in _KEY_TYPES or item.get("use", "sig") != "sig":
            continue
        if item["kty"] == "RSA" and not _fits(item):
            continue
        try:
            found.append(jwk.import_key(item))
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    return KeySet(found) if found else None


def _fits(key: Mapping[str, Any]) -> bool:
    return len(str(key.get("n", ""))) in _MODULUS and len(str(key.get("e", ""))) <= _LONGEST_EXPONENT


def claims_of(text: object, keys: KeySet, expected: Expected, now: datetime) -> dict[str, Any]:
    """The claims of a token that stands up to every check. Raises NotProven, UnknownKey."""
    if not isinstance(text, str):
        raise NotProven("there is no ID token")
    registry = JWSRegistry(algorithms=expected.metadata.algorithms, strict_check_header=False)
    try:
        token = jwt.decode(text, keys, registry=registry)
        claims = CodeIDToken(
            token.claims,
            token.header,
            {
                "iss": {"essential": True, "value": expected.metadata.issuer},
                "sub": {"essential": True},
                "aud": {"essential": True, "value": expected.client_id},
            },
            {"nonce": expected.nonce, "client_id": expected.client_id, "access_token": expected.access_token},
        )
        claims.validate(now=int(now.timestamp()), leeway=int(LEEWAY.total_seconds()))
    except InvalidKeyIdError as error:
        raise UnknownKey("the key of the ID token is not known") from error
    except JoseError as error:
        raise NotProven(f"the ID token is not good: {error.error}") from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise NotProven("the ID token cannot be read") from error
    _check_further(claims, expected)
    return dict(claims)


def _check_further(claims: Mapping[str, Any], expected: Expected) -> None:
    if claims["aud"] not in (expected.client_id, [expected.client_id]):
        # Another audience could pass the token on as its own proof, and none of them is known to us.
        raise NotProven("the ID token is meant for others as well")
    subject = claims["sub"]
    if not 1 <= len(subject) <= _LONGEST_SUBJECT or has_control_characters(subject):
        raise NotProven("the ID token has no usable subject")
