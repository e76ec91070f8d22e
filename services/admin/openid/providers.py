"""Agencies' identity providers: where people are sent, and who they are when they come back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote_plus

import structlog
from aiohttp import ClientSession
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client
from authlib.oauth2.rfc6749.parameters import prepare_token_request
from joserfc.jwk import KeySet

from services.admin.openid.fetching import Unusable, ask, problem_with_address
from services.admin.openid.id_token import Expected, NotProven, UnknownKey, claims_of, usable_keys
from services.admin.openid.metadata import Metadata, discovery_address, metadata_of
from shared.accounts.identity_providers import Claim
from shared.clock import Clock

log = structlog.get_logger("services.admin.openid")

T = TypeVar("T")

KEPT: Final = timedelta(minutes=5)
"""How long a provider's description and keys are good without asking again."""
_MOST_KEPT: Final = 500
_SCOPES: Final[Mapping[Claim, str]] = {"preferred_username": "openid profile", "email": "openid email"}
_ERROR_CODE: Final = re.compile(r"[a-z_]{1,60}")


@dataclass(frozen=True, slots=True)
class Registration:
    """What we are to a provider."""

    issuer: str
    client_id: str
    secret: str = field(repr=False)
    claim: Claim


@dataclass(frozen=True, slots=True)
class Attempt:
    """What ties a provider's answer to the question, and where it comes back to."""

    redirect_uri: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who has signed in: ``subject`` for good, ``name`` by what the provider vouches for today, if it does."""

    issuer: str
    subject: str
    name: str | None


class _Kept(Generic[T]):
    """Answers for a while; of too many the oldest go."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._found: dict[str, tuple[datetime, T]] = {}

    def get(self, key: str) -> T | None:
        when, value = self._found.get(key, (None, None))
        return value if when is not None and self._clock() - when < KEPT else None

    def put(self, key: str, value: T) -> T:
        self._found.pop(key, None)
        self._found[key] = self._clock(), value
        while len(self._found) > _MOST_KEPT:
            del self._found[next(iter(self._found))]
        return value


class IdentityProviders:
    """Speaks to providers. ``loopback``: plain http is good on this machine, for trials."""

    def __init__(self, http: ClientSession, clock: Clock, *, loopback: bool) -> None:
        self._http = http
        self._clock = clock
        self._loopback = loopback
        self._metadata: _Kept[Metadata] = _Kept(clock)
        self._keys: _Kept[KeySet] = _Kept(clock)

    def problem_with(self, issuer: str) -> str | None:
        """What is wrong with an issuer's address."""
        if "?" in issuer:
            return "Leave out the question mark and what follows it."
        return problem_with_address(issuer, loopback=self._loopback)

    async def check(self, issuer: str) -> None:
        """Ask a provider for all that a sign-in needs. Raises Unusable."""
        metadata = await self._fetch_metadata(issuer)
        await self._fetch_keys(metadata)

    async def address_for(self, registration: Registration, attempt: Attempt) -> str:
        """Where to send somebody who wants to sign in. Raises Unusable."""
        metadata = await self._metadata_of(registration.issuer)
        client = OAuth2Client(None, client_id=registration.client_id, code_challenge_method="S256")
        try:
            address, _ = client.create_authorization_url(
                metadata.authorization_endpoint,
                state=attempt.state,
                code_verifier=attempt.verifier,
                nonce=attempt.nonce,
                redirect_uri=attempt.redirect_uri,
                scope=_SCOPES[registration.claim],
            )
        except ValueError:
            # It has a query of its own, which cannot be read.
            raise Unusable("authorization_endpoint: It is no address that anything can be added to.") from None
        return str(address)

    async def identity(self, registration: Registration, attempt: Attempt, *, code: str, iss: str | None) -> Identity:
        """Exchange the code that somebody came back with. The provider's tokens are forgotten right here.

        ``iss`` is what the answer says of who gave it. Raises Unusable, NotProven.
        """
        metadata = await self._metadata_of(registration.issuer)
        if iss != metadata.issuer and (iss is not None or metadata.names_itself):
            # One provider's code must not be taken for another's (RFC 9207, section 2.4).
            raise NotProven("the answer does not come from the provider that was asked")
        tokens = await self._exchange(metadata, registration, attempt, code)
        access_token = tokens.get("access_token")
        expected = Expected(
            metadata=metadata,
            client_id=registration.client_id,
            nonce=attempt.nonce,
            access_token=access_token if isinstance(access_token, str) else None,
        )
        claims = await self._claims(tokens.get("id_token"), expected)
        vouched = await self._vouched(claims, expected, registration.claim)
        return Identity(metadata.issuer, claims["sub"], _name(vouched, registration.claim))

    async def _exchange(
        self, metadata: Metadata, registration: Registration, attempt: Attempt, code: str
    ) -> dict[str, Any]:
        body = prepare_token_request(
            "authorization_code", redirect_uri=attempt.redirect_uri, code=code, code_verifier=attempt.verifier
        )
        client_id, secret = registration.client_id, registration.secret
        if metadata.client_auth == "client_secret_basic":
            # RFC 6749, section 2.3.1, has both encoded like a form first.
            client_id, secret = quote_plus(client_id), quote_plus(secret)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        auth = ClientAuth(client_id, secret, metadata.client_auth)
        _, headers, body = auth.prepare("POST", metadata.token_endpoint, headers, body)
        status, tokens = await ask(self._http, metadata.token_endpoint, body=body, headers=headers)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Unusable(f"token_endpoint: It fails (status {status}).")
        if status != HTTPStatus.OK:
            error = str(tokens.get("error", ""))
            told = error if _ERROR_CODE.fullmatch(error) else f"status {status}"
            raise NotProven(f"the provider does not take the code: {told}")
        return tokens

    async def _claims(self, id_token: object, expected: Expected) -> dict[str, Any]:
        known = self._keys.get(expected.metadata.jwks_uri)
        if known is not None:
            try:
                return claims_of(id_token, known, expected, self._clock())
            except UnknownKey:
                # Providers change their keys; a newer set has the new one.
                pass
        keys = await self._fetch_keys(expected.metadata)
        return claims_of(id_token, keys, expected, self._clock())

    async def _vouched(self, claims: dict[str, Any], expected: Expected, claim: Claim) -> Mapping[str, Any]:
        """Claims that hold the wanted one: the token's, or else those of the userinfo endpoint (Core, section 5.3)."""
        wanted = ("email", "email_verified") if claim == "email" else (claim,)
        address = expected.metadata.userinfo_endpoint
        if all(name in claims for name in wanted) or address is None or expected.access_token is None:
            return claims
        try:
            headers = {"Authorization": f"Bearer {expected.access_token}"}
            status, found = await ask(self._http, address, headers=headers)
        except Unusable as error:
            # Whoever is known by the subject gets in without it.
            log.warning("userinfo not available", issuer=expected.metadata.issuer, reason=str(error))
            return claims
        return found if status == HTTPStatus.OK and found.get("sub") == claims["sub"] else claims

    async def _metadata_of(self, issuer: str) -> Metadata:
        return self._metadata.get(issuer) or await self._fetch_metadata(issuer)

    async def _fetch_metadata(self, issuer: str) -> Metadata:
        status, document = await ask(self._http, discovery_address(issuer))
        if status != HTTPStatus.OK:
            raise Unusable(f"There is no description of a provider at this address (status {status}).")
        return self._metadata.put(issuer, metadata_of(issuer, document, loopback=self._loopback))

    async def _fetch_keys(self, metadata: Metadata) -> KeySet:
        try:
            status, document = await ask(self._http, metadata.jwks_uri)
        except Unusable as error:
            raise Unusable(f"jwks_uri: {error}") from None
        keys = usable_keys(document) if status == HTTPStatus.OK else None
        if keys is None:
            raise Unusable("jwks_uri: There is no key that could check a signature.")
        return self._keys.put(metadata.jwks_uri, keys)


def _name(claims: Mapping[str, Any], claim: Claim) -> str | None:
    value = claims.get(claim)
    if not isinstance(value, str) or not value or not value.isprintable():
        return None
    if claim == "email" and claims.get("email_verified") is not True:
        # Anybody may type anybody's address into a profile.
        return None
    return value
