"""Who looks at a page: the agency of its address, and the staff session that the browser's cookie belongs to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler
from pydantic import BaseModel

from services.admin.keys import AGENCY, VISITOR, WORK
from services.admin.use_cases import sessions
from services.admin.visitor import Visitor
from shared.accounts.agencies import Agency
from shared.factor_pages import Reader
from shared.http.csrf import check_csrf
from shared.http.forms import Form, read_form
from shared.page_door import PageDoor
from shared.rights import Right, require

M = TypeVar("M", bound=BaseModel)

DOOR: Final = PageDoor("staff", "portico_staff")

session_cookie, url, way_back, sign_in_first = DOOR.cookie, DOOR.url, DOOR.way_back, DOOR.sign_in_first


async def agency_of(request: web.Request) -> Agency:
    """The agency of the address. Raises NotFound."""
    agency = request.get(AGENCY)
    if agency is None:
        agency = request[AGENCY] = await sessions.agency_at(request.app[WORK], slug=request.match_info["slug"])
    return agency


async def visitor_of(request: web.Request) -> Visitor | None:
    """Whoever is signed in at the address's agency. Raises NotFound when there is no such agency."""
    agency = await agency_of(request)
    entrant = await DOOR.entrant(request)
    if entrant is None or entrant[0].agency_id != agency.id:
        return None
    visitor = request[VISITOR] = Visitor(*entrant, agency)
    return visitor


def for_staff(handler: Handler) -> Handler:
    """A page for people who are signed in; all others are asked to sign in and come back to it."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        if await visitor_of(request) is None:
            return sign_in_first(request)
        return await handler(request)

    return guarded


def for_holders(right: Right) -> Callable[[Handler], Handler]:
    """A page for people who are signed in and hold a right; to others it says that their role does not allow it."""

    def decorate(handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            require(request[VISITOR].actor, right)
            return await handler(request)

        return for_staff(guarded)

    return decorate


async def read_own_form(request: web.Request, model: type[M]) -> Form[M]:
    """The form of whoever is signed in. Raises StaleForm when it does not belong to this session."""
    form = await read_form(request, model)
    check_csrf(request, form.csrf_token, request[VISITOR].cookie.digest)
    return form


def reader_of(request: web.Request) -> Reader:
    """Whoever is signed in, for the pages that both services have."""
    visitor = request[VISITOR]
    return Reader(visitor.actor, visitor.cookie, visitor.agency)


def page_context(request: web.Request) -> Mapping[str, Any]:
    """What every page knows: the agency, and who is signed in."""
    agency, visitor = request.get(AGENCY), request.get(VISITOR)
    context: dict[str, Any] = {"audience": "staff", "product_area": "Portico", "visitor": visitor}
    if agency is not None:
        context |= {"agency_name": agency.name, "home_url": f"/{agency.slug}/"}
    if visitor is not None:
        context |= {"csrf_token": visitor.csrf_token, **DOOR.idle_warning()}
    return context
