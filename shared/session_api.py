"""What the JSON APIs of staff and clients share: going on with a session, ending it, and the keys that check tokens."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from aiohttp import web
from pydantic import Field

from shared.accounts import access
from shared.accounts.access import Tokens
from shared.accounts.sessions import SessionKind
from shared.accounts_service import KEY_RING, SIGNER, WORK
from shared.doors import by_bearer, origin_of
from shared.errors import NotSignedIn
from shared.http.answers import json_answer, no_content
from shared.http.bodies import read_json
from shared.http.fields import Answer, Body, Line, Password
from shared.http.openapi import operation

TAG: Final = "Tokens"
# A new key is published before it signs, so verifiers may keep the set this long.
_KEYS_KEPT_SECONDS: Final = 300

AgencySlug = Annotated[str, Line(63), Field(description="The agency's name in its address.")]


class SignIn(Body):
    """Who signs in, at which agency."""

    agency: AgencySlug
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


def session_routes(kind: SessionKind) -> list[web.RouteDef]:
    """Refresh, revoke and the key set, for sessions of one kind."""
    security: Literal["staff", "client"] = "staff" if kind == "staff" else "client"

    @operation(
        "Refresh the tokens", body=Refresh, answers={200: TokensOut}, problems=(NotSignedIn,), security=None, tag=TAG
    )
    async def refresh_token(request: web.Request) -> web.Response:
        """A refresh token is good once.

        Within ten seconds it gives the same successor again; later the session ends.
        """
        body = await read_json(request, Refresh)
        tokens = await access.refresh(
            request.app[WORK],
            signer=request.app[SIGNER],
            kind=kind,
            refresh_token=body.refresh_token,
            origin=origin_of(request),
        )
        return json_answer(TokensOut.of(tokens))

    @operation("Sign out", body=Nothing, answers={204: None}, security=security, tag=TAG)
    async def revoke_token(request: web.Request) -> web.Response:
        """The session ends at once and everywhere, with all of its tokens. The body may be left out."""
        actor, session = await by_bearer(request, kind)
        if request.body_exists:
            await read_json(request, Nothing)
        await access.end(request.app[WORK], actor.agency_id, kind, session, "signed_out", actor=actor)
        return no_content()

    return [
        web.post("/api/v1/token/refresh", refresh_token),
        web.post("/api/v1/token/revoke", revoke_token),
        web.get("/.well-known/jwks.json", jwks),
    ]


@operation("The public keys that check our tokens", answers={200: KeySet}, security=None, tag=TAG)
async def jwks(request: web.Request) -> web.Response:
    """Keys are told apart by ``kid``; while keys change, several are listed."""
    keys = request.app[KEY_RING].jwks(request.app[SIGNER].issuer)
    kept = {"Cache-Control": f"public, max-age={_KEYS_KEPT_SECONDS}"}
    return json_answer(KeySet.model_validate(keys), headers=kept)
