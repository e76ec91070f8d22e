"""Home, and the Client Action Log."""

from __future__ import annotations

from aiohttp import web

from services.portal.audit_client import ActivityPage, ActivityUnavailable, UnknownCursor
from services.portal.keys import AUDIT, VISITOR
from services.portal.pages.signing_in import sign_in_page
from services.portal.pages.visitors import agency_of, for_visitors, session_cookie, sign_in_first, url, visitor_of
from shared.http.pages import render, see_other

_ROWS = 25
_LONGEST_CURSOR = 512


async def home(request: web.Request) -> web.StreamResponse:
    """The Agency Portal URL: home for whoever is signed in, the sign-in page for all others."""
    visitor = await visitor_of(request)
    if visitor is None:
        if session_cookie(request).read(request) is not None:
            return sign_in_first(request)
        await agency_of(request)
        return sign_in_page(request, next_path=url(request))
    return render(request, "home.html", welcome="welcome" in request.query)


async def without_slash(request: web.Request) -> web.StreamResponse:
    """People leave the slash out when they type the address."""
    return see_other(url(request))


@for_visitors
async def activity(request: web.Request) -> web.StreamResponse:
    """The Client Action Log, newest first."""
    cursor = request.query.get("cursor", "")
    if len(cursor) > _LONGEST_CURSOR or not cursor.isprintable():
        return see_other(url(request, "activity"))
    try:
        page = await request.app[AUDIT].activity(actor=request[VISITOR].actor, cursor=cursor or None, limit=_ROWS)
    except UnknownCursor:
        return see_other(url(request, "activity"))
    except ActivityUnavailable as error:
        return _page(request, None, status=error.status, headers={"Retry-After": str(error.retry_after)})
    return _page(request, page, older=bool(cursor))


def _page(
    request: web.Request,
    page: ActivityPage | None,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    older: bool = False,
) -> web.Response:
    following = page.next_cursor if page else None
    return render(
        request,
        "activity.html",
        status=status,
        headers=headers,
        page=page,
        older_url=url(request, "activity", cursor=following) if following else None,
        newest_url=url(request, "activity") if older else None,
    )
