"""Who calls the API: a bearer token of a portal session, and none of a staff user's."""

from __future__ import annotations

from aiohttp import web

from shared.accounts.sessions import Session
from shared.actors import Actor
from shared.doors import by_bearer


async def signed_in(request: web.Request) -> tuple[Actor, Session]:
    """The person behind the request's bearer token, and the session. Raises NotSignedIn."""
    return await by_bearer(request, "portal")
