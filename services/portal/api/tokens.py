"""Tokens: signing in, going on, signing out, and the keys that check them."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from services.portal.api.auth import signed_in
from services.portal.api.bodies import Nothing, PasswordChangeRequiredOut, Refresh, SignIn, TokensOut
from services.portal.keys import HASHER, KEY_RING, SIGNER, WORK
from services.portal.use_cases import sessions
from services.portal.use_cases.sign_in import PasswordChangeRequired, TemporaryPasswordExpired, sign_in
from shared.accounts import access
from shared.accounts.agencies import NotContracted
from shared.doors import origin_of
from shared.errors import BadCredentials, NotSignedIn
from shared.http.answers import json_answer, no_content
from shared.http.bodies import read_json
from shared.http.fields import Answer
from shared.http.openapi import operation

TAG = "Tokens"
# A new key is published before it signs, so verifiers may keep the set this long.
_KEYS_KEPT_SECONDS = 300


class KeySet(Answer):
    """A JSON Web Key Set (RFC 7517) of Ed25519 keys (RFC 8037)."""

    keys: list[dict[str, Any]]


@operation(
    "Sign in",
    body=SignIn,
    answers={200: TokensOut | PasswordChangeRequiredOut},
    problems=(BadCredentials, TemporaryPasswordExpired, NotContracted),
    security=None,
    tag=TAG,
)
async def create_token(request: web.Request) -> web.Response:
    """With a temporary password no session begins: the answer is a token that is good for choosing a password."""
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
    if isinstance(result, PasswordChangeRequired):
        return json_answer(PasswordChangeRequiredOut.of(result))
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
        kind="portal",
        refresh_token=body.refresh_token,
        origin=origin_of(request),
    )
    return json_answer(TokensOut.of(tokens))


@operation("Sign out", body=Nothing, answers={204: None}, security="client", tag=TAG)
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
