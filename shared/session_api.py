"""What the JSON APIs of staff and clients share: going on with a session, ending it, and the keys that check tokens."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

from aiohttp import web
from pydantic import Field

from shared.accounts import access, own_sessions
from shared.accounts.access import Tokens
from shared.accounts.own_sessions import OpenSession
from shared.accounts.sessions import SessionKind
from shared.accounts_service import KEY_RING, SIGNER, WORK
from shared.doors import by_bearer, origin_of
from shared.errors import NotFound, NotSignedIn
from shared.http.answers import json_answer, no_content
from shared.http.bodies import path_id, read_json
from shared.http.devices import device_of
from shared.http.fields import Answer, Body, Line, Password, Timestamp
from shared.http.openapi import operation
from shared.security.tokens import JWKS_KEPT

TAG: Final = "Tokens"

_Security: TypeAlias = Literal["staff", "client"]

AgencySlug = Annotated[str, Line(63), Field(description="The agency's name in its address.")]


class SignIn(Body):
    """Who signs in, at which agency."""

    agency: AgencySlug
    username: Annotated[str, Line(64)]
    password: Password


class Refresh(Body):
    """A refresh token to exchange."""

    refresh_token: Annotated[str, Field(min_length=1, max_length=300)]


class SessionOut(Answer):
    """A session that is open. ``current`` is the one of the token; ``device`` says what its browser called itself."""

    id: UUID
    device: str
    address: str | None
    started_at: Timestamp
    last_seen_at: Timestamp
    current: bool

    @classmethod
    def of(cls, session: OpenSession) -> SessionOut:
        """As it is at this moment."""
        return cls(
            id=session.id,
            device=device_of(session.user_agent),
            address=str(session.address) if session.address else None,
            started_at=session.started_at,
            last_seen_at=session.last_seen_at,
            current=session.current,
        )


class SessionsOut(Answer):
    """All open sessions of one person: this one first, then the latest used."""

    items: tuple[SessionOut, ...]


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


async def read_nothing(request: web.Request) -> None:
    """The body of a request that needs none: an empty object, or nothing at all."""
    if request.body_exists:
        await read_json(request, Nothing)


def session_routes(kind: SessionKind) -> list[web.RouteDef]:
    """Refresh, revoke, one's own sessions and the key set, for sessions of one kind."""
    security: _Security = "staff" if kind == "staff" else "client"

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
        await read_nothing(request)
        await access.end(request.app[WORK], actor.agency_id, kind, session, "signed_out", actor=actor)
        return no_content()

    return [
        *_own_session_routes(kind, security),
        web.post("/api/v1/token/refresh", refresh_token),
        web.post("/api/v1/token/revoke", revoke_token),
        web.get("/.well-known/jwks.json", jwks),
    ]


def _own_session_routes(kind: SessionKind, security: _Security) -> list[web.RouteDef]:
    @operation("Where you are signed in", answers={200: SessionsOut}, security=security, tag=TAG)
    async def list_sessions(request: web.Request) -> web.Response:
        """The open sessions of the token's owner, the one of the token first."""
        actor, _ = await by_bearer(request, kind)
        found = await own_sessions.of_actor(request.app[WORK], actor=actor, kind=kind)
        return json_answer(SessionsOut(items=tuple(SessionOut.of(s) for s in found)))

    @operation("End a session", answers={204: None}, problems=(NotFound,), security=security, tag=TAG)
    async def end_session(request: web.Request) -> web.Response:
        """It ends at once and everywhere. One's own as well."""
        actor, _ = await by_bearer(request, kind)
        await own_sessions.end_one(request.app[WORK], actor=actor, kind=kind, session_id=path_id(request))
        return no_content()

    @operation("End all other sessions", answers={204: None}, security=security, tag=TAG)
    async def end_other_sessions(request: web.Request) -> web.Response:
        """All but the one of the token."""
        actor, _ = await by_bearer(request, kind)
        await own_sessions.end_others(request.app[WORK], actor=actor, kind=kind)
        return no_content()

    return [
        web.get("/api/v1/sessions", list_sessions),
        web.delete("/api/v1/sessions", end_other_sessions),
        web.delete("/api/v1/sessions/{id}", end_session),
    ]


@operation("The public keys that check our tokens", answers={200: KeySet}, security=None, tag=TAG)
async def jwks(request: web.Request) -> web.Response:
    """Keys are told apart by ``kid``; while keys change, several are listed."""
    keys = request.app[KEY_RING].jwks(request.app[SIGNER].issuer)
    kept = {"Cache-Control": f"public, max-age={int(JWKS_KEPT.total_seconds())}"}
    return json_answer(KeySet.model_validate(keys), headers=kept)
