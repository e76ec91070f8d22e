"""Who looks at a page: the agency of its address, and the session that the browser's cookie belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler

from services.portal.keys import AGENCY, VISITOR, WORK
from services.portal.use_cases import sessions
from services.portal.visitor import Visitor
from shared.accounts.agencies import Agency
from shared.errors import NotSignedIn
from shared.factor_pages import Reader
from shared.page_door import PageDoor

DOOR: Final = PageDoor("portal", "portico_portal")

session_cookie, url, way_back, sign_in_first = DOOR.cookie, DOOR.url, DOOR.way_back, DOOR.sign_in_first


async def agency_of(request: web.Request) -> Agency:
    """The agency of the address. Raises NotFound, NotContracted."""
    agency = request.get(AGENCY)
    if agency is None:
        agency = request[AGENCY] = await sessions.agency_at(request.app[WORK], slug=request.match_info["slug"])
    agency.require_contract()
    return agency


async def visitor_of(request: web.Request) -> Visitor | None:
    """Whoever is signed in at the address's agency."""
    entrant = await DOOR.entrant(request)
    if entrant is None:
        return None
    actor, session, cookie = entrant
    try:
        me = await sessions.me(request.app[WORK], actor=actor)
    except NotSignedIn:
        return None
    if me.agency.slug != request.match_info["slug"]:
        return None
    visitor = request[VISITOR] = Visitor(actor, session, cookie, me)
    request[AGENCY] = me.agency
    return visitor


def for_visitors(handler: Handler) -> Handler:
    """A page for people who are signed in; all others are asked to sign in and come back to it."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        if await visitor_of(request) is None:
            return sign_in_first(request)
        return await handler(request)

    return guarded


def reader_of(request: web.Request) -> Reader:
    """Whoever is signed in, for the pages that both services have."""
    visitor = request[VISITOR]
    return Reader(visitor.actor, visitor.cookie, visitor.me.agency)


def page_context(request: web.Request) -> Mapping[str, Any]:
    """What every page knows: the agency, and who is signed in."""
    agency, visitor = request.get(AGENCY), request.get(VISITOR)
    context: dict[str, Any] = {"audience": "client", "product_area": "Client Portal", "visitor": visitor}
    if agency is not None:
        context["agency_name"] = agency.name
        if agency.contracted:
            context["home_url"] = f"/{agency.slug}/"
    if visitor is not None:
        context |= {"csrf_token": visitor.csrf_token, **DOOR.idle_warning()}
    return context
