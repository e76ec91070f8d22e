"""Who calls the API: a bearer token of a staff session, and none of a portal login's."""

from __future__ import annotations

from aiohttp import web

from services.admin.keys import VERIFIER, WORK
from services.admin.requests import origin_of
from shared.accounts import access
from shared.accounts.access import Presented
from shared.accounts.sessions import Session
from shared.actors import Actor
from shared.errors import NotSignedIn
from shared.security.tokens import STAFF


async def signed_in(request: web.Request) -> tuple[Actor, Session]:
    """The staff user behind the request's bearer token, and the session. Raises NotSignedIn."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise NotSignedIn
    claims = request.app[VERIFIER].verify(token.strip(), STAFF)
    presented = Presented("staff", claims.agency_id, claims.session_id)
    return await access.recognise(request.app[WORK], presented, origin_of(request))


async def staff_of(request: web.Request) -> Actor:
    """The staff user alone."""
    actor, _ = await signed_in(request)
    return actor
