"""Who looks at a page: the agency of its address, and the session that the browser's cookie belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.typedefs import Handler

from services.portal.keys import AGENCY, SETTINGS, VISITOR, WORK
from services.portal.use_cases import sessions
from services.portal.visitor import Visitor
from shared.accounts import access
from shared.accounts.access import Presented, SessionCookie
from shared.accounts.agencies import Agency
from shared.doors import origin_of
from shared.errors import NotSignedIn
from shared.http.cookies import CookieName
from shared.http.csrf import SAFE_METHODS
from shared.http.pages import local_path, see_other
from shared.security.session_limits import IDLE

# How long before the end of an idle session its owner is asked whether to stay.
_WARNING_SECONDS = 120
# last_seen may be a minute old already when the page is made.
_SEEN_SECONDS = 60


def session_cookie(request: web.Request) -> CookieName:
    """The name of the session cookie at the address's agency."""
    return _cookie(request, "portico_portal")


def choice_cookie(request: web.Request) -> CookieName:
    """The name of the cookie that keeps the token for a first password."""
    return _cookie(request, "portico_portal_choice")


def _cookie(request: web.Request, prefix: str) -> CookieName:
    secure = request.app[SETTINGS].public_url.startswith("https:")
    return CookieName(prefix, request.match_info["slug"], secure)


def url(request: web.Request, page: str = "", **query: str) -> str:
    """The address of a page of this agency's portal."""
    return f"/{request.match_info['slug']}/{page}" + (f"?{urlencode(query)}" if query else "")


def way_back(request: web.Request, given: str | None) -> str:
    """Where to go after signing in: a page of this agency's portal, and never another site's."""
    home = url(request)
    path = local_path(given, home)
    page, _, _ = path.partition("?")
    # No page of ours has these in its address; browsers would take /riverside/%2e%2e/ for a way out of it.
    return path if page.startswith(home) and not {".", "%"} & set(page) else home


async def agency_of(request: web.Request) -> Agency:
    """The agency of the address. Raises NotFound, NotContracted."""
    agency = request.get(AGENCY)
    if agency is None:
        agency = request[AGENCY] = await sessions.agency_at(request.app[WORK], slug=request.match_info["slug"])
    agency.require_contract()
    return agency


async def visitor_of(request: web.Request) -> Visitor | None:
    """Whoever is signed in at the address's agency."""
    cookie = SessionCookie.parse(session_cookie(request).read(request) or "")
    if cookie is None:
        return None
    work = request.app[WORK]
    presented = Presented("portal", cookie.agency_id, cookie.session_id, cookie)
    try:
        actor, session = await access.recognise(work, presented, origin_of(request))
        me = await sessions.me(work, actor=actor)
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


def sign_in_first(request: web.Request) -> web.Response:
    """To the sign-in page, which says it when a session has ended, and afterwards back."""
    # What was sent is lost; the page that it was sent from is what they get back to.
    back = request.path_qs if request.method in SAFE_METHODS else request.path
    query = {"next": way_back(request, back)}
    had_session = session_cookie(request).read(request) is not None
    if had_session:
        query["ended"] = "1"
    response = see_other(url(request, "sign-in", **query))
    if had_session:
        session_cookie(request).delete(response)
    return response


def page_context(request: web.Request) -> Mapping[str, Any]:
    """What every page knows: the agency, and who is signed in."""
    agency, visitor = request.get(AGENCY), request.get(VISITOR)
    context: dict[str, Any] = {"audience": "client", "product_area": "Client Portal", "visitor": visitor}
    if agency is not None:
        context["agency_name"] = agency.name
        if agency.contracted:
            context["home_url"] = f"/{agency.slug}/"
    if visitor is not None:
        idle = int(IDLE.total_seconds())
        context |= {
            "csrf_token": visitor.csrf_token,
            "warn_after_seconds": idle - _SEEN_SECONDS - _WARNING_SECONDS,
            "warning_seconds": _WARNING_SECONDS,
        }
    return context
