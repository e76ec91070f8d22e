"""Who calls the API: a bearer token of a portal session, and none of a staff user's."""

from __future__ import annotations

from aiohttp import web

from services.portal.keys import VERIFIER, WORK
from services.portal.requests import origin_of
from shared.accounts import access
from shared.accounts.access import Presented
from shared.accounts.sessions import Session
from shared.actors import Actor
from shared.errors import NotSignedIn
from shared.security.tokens import CLIENT


async def signed_in(request: web.Request) -> tuple[Actor, Session]:
    """The person behind the request's bearer token, and the session. Raises NotSignedIn."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise NotSignedIn
    claims = request.app[VERIFIER].verify(token.strip(), CLIENT)
    presented = Presented("portal", claims.agency_id, claims.session_id)
    return await access.recognise(request.app[WORK], presented, origin_of(request))
