"""Where somebody is signed in, and how they sign out elsewhere."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from services.portal.keys import VISITOR, WORK
from services.portal.pages.forms import NoFields, read_own_form
from services.portal.pages.visitors import for_visitors, url
from shared.accounts import own_sessions
from shared.errors import NotFound
from shared.http.pages import render, see_other
from shared.session_pages import EndSessionForm, rows_of

PAGE: Final = "sessions"


@for_visitors
async def show(request: web.Request) -> web.StreamResponse:
    """All sessions of the login, this one first."""
    visitor = request[VISITOR]
    found = await own_sessions.of_actor(request.app[WORK], actor=visitor.actor, kind="portal")
    rows = rows_of(found, visitor.me.agency.zone)
    return render(request, "sessions.html", sessions=rows, ended="ended" in request.query)


@for_visitors
async def end_one(request: web.Request) -> web.StreamResponse:
    """Sign out on another device."""
    visitor = request[VISITOR]
    form = await read_own_form(request, EndSessionForm, visitor)
    if form.model is None:
        raise NotFound
    await own_sessions.end_one(request.app[WORK], actor=visitor.actor, kind="portal", session_id=form.model.session)
    return see_other(url(request, PAGE, ended="1"))


@for_visitors
async def end_others(request: web.Request) -> web.StreamResponse:
    """Sign out everywhere but here."""
    visitor = request[VISITOR]
    await read_own_form(request, NoFields, visitor)
    await own_sessions.end_others(request.app[WORK], actor=visitor.actor, kind="portal")
    return see_other(url(request, PAGE, ended="1"))
