"""Who calls the API: a bearer token of a staff session, and none of a portal login's."""

from __future__ import annotations

from aiohttp import web

from shared.accounts.sessions import Session
from shared.actors import Actor
from shared.doors import by_bearer


async def signed_in(request: web.Request) -> tuple[Actor, Session]:
    """The staff user behind the request's bearer token, and the session. Raises NotSignedIn."""
    return await by_bearer(request, "staff")


async def staff_of(request: web.Request) -> Actor:
    """The staff user alone."""
    actor, _ = await signed_in(request)
    return actor
