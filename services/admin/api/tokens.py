"""Tokens: signing in, going on, signing out, and the keys that check them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import Field

from services.admin.api.auth import signed_in
from services.admin.keys import HASHER, KEY_RING, SIGNER, WORK
from services.admin.use_cases import sessions
from services.admin.use_cases.sign_in import sign_in
from shared.accounts import access
from shared.accounts.access import Tokens
from shared.doors import origin_of
from shared.errors import BadCredentials, NotSignedIn
from shared.http.answers import json_answer, no_content
from shared.http.bodies import read_json
from shared.http.fields import Answer, Body, Line, Password
from shared.http.openapi import operation

TAG = "Tokens"
# A new key is published before it signs, so verifiers may keep the set this long.
_KEYS_KEPT_SECONDS = 300


class SignIn(Body):
    """Who signs in, at which agency."""

    agency: Annotated[str, Line(63), Field(description="The agency's name in its address.")]
    username: Annotated[str, Line(64)]
    password: Password


class Refresh(Body):
    """A refresh token to exchange."""

    refresh_token: Annotated[str, Field(min_length=1, max_length=300)]


class Nothing(Body):
    """An empty object."""


class TokensOut(Answer):
    """The tokens of a session; ``expires_in`` is the access token's life in seconds."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the kind of token (RFC 6750)
    expires_in: int
    refresh_token: str

    @classmethod
    def of(cls, tokens: Tokens | None) -> TokensOut:
        """As the API gives them."""
        if tokens is None:
            raise ValueError("a session of the API has tokens")
        return cls(access_token=tokens.access_token, expires_in=tokens.expires_in, refresh_token=tokens.refresh_token)


class KeySet(Answer):
    """A JSON Web Key Set (RFC 7517) of Ed25519 keys (RFC 8037)."""

    keys: list[dict[str, Any]]


@operation("Sign in", body=SignIn, answers={200: TokensOut}, problems=(BadCredentials,), security=None, tag=TAG)
async def create_token(request: web.Request) -> web.Response:
    """Begin a staff session. Whatever is wrong, the answer is the same."""
    body = await read_json(request, SignIn)
    result = await sign_in(
        request.app[WORK],
        request.app[HASHER],
        request.app[SIGNER],
        slug=body.agency,
        username=body.username,
        password=body.password.get_secret_value(),
        origin=origin_of(request),
        with_cookie=False,
    )
    return json_answer(TokensOut.of(result.tokens))


@operation(
    "Refresh the tokens", body=Refresh, answers={200: TokensOut}, problems=(NotSignedIn,), security=None, tag=TAG
)
async def refresh_token(request: web.Request) -> web.Response:
    """A refresh token is good once. Within ten seconds it gives the same successor again; later the session ends."""
    body = await read_json(request, Refresh)
    tokens = await access.refresh(
        request.app[WORK],
        signer=request.app[SIGNER],
        kind="staff",
        refresh_token=body.refresh_token,
        origin=origin_of(request),
    )
    return json_answer(TokensOut.of(tokens))


@operation("Sign out", body=Nothing, answers={204: None}, security="staff", tag=TAG)
async def revoke_token(request: web.Request) -> web.Response:
    """The session ends at once and everywhere, with all of its tokens. The body may be left out."""
    actor, session = await signed_in(request)
    if request.body_exists:
        await read_json(request, Nothing)
    await sessions.sign_out(request.app[WORK], actor=actor, session=session)
    return no_content()


@operation("The public keys that check our tokens", answers={200: KeySet}, security=None, tag=TAG)
async def jwks(request: web.Request) -> web.Response:
    """Keys are told apart by ``kid``; while keys change, several are listed."""
    keys = request.app[KEY_RING].jwks(request.app[SIGNER].issuer)
    kept = {"Cache-Control": f"public, max-age={_KEYS_KEPT_SECONDS}"}
    return json_answer(KeySet.model_validate(keys), headers=kept)
