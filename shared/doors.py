"""Who stands at a service's door: where a request came from, and the session that its bearer token belongs to."""

from __future__ import annotations

from aiohttp import web

from shared.accounts import access
from shared.accounts.access import AUDIENCES, Origin, Presented
from shared.accounts.sessions import Session, SessionKind
from shared.accounts_service import VERIFIER, WORK
from shared.actors import Actor
from shared.http.bearer import bearer_token
from shared.http.keys import CLIENT_ADDRESS, REQUEST_ID


def origin_of(request: web.Request) -> Origin:
    """Where a request came from."""
    # Headers may hold bytes that are no UTF-8, which no text column takes.
    agent = request.headers.get("User-Agent", "").encode("utf-8", "replace").decode()
    return Origin(address=request[CLIENT_ADDRESS], user_agent=agent, request_id=request[REQUEST_ID])


async def by_bearer(request: web.Request, kind: SessionKind) -> tuple[Actor, Session]:
    """The person behind a request's bearer token, and the session. Raises NotSignedIn, also for the other kind's."""
    claims = request.app[VERIFIER].verify(bearer_token(request), AUDIENCES[kind])
    presented = Presented(kind, claims.agency_id, claims.session_id)
    return await access.recognise(request.app[WORK], presented, origin_of(request))
