"""Where a staff user is signed in, and how they sign out elsewhere."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from services.admin.keys import VISITOR, WORK
from services.admin.pages.menus import crumbs_to
from services.admin.pages.signing_in import NoFields
from services.admin.pages.visitors import for_staff, read_own_form, url
from shared.accounts import own_sessions
from shared.errors import NotFound
from shared.http.pages import render, see_other
from shared.session_pages import EndSessionForm, rows_of

PAGE: Final = "sessions"


@for_staff
async def show(request: web.Request) -> web.StreamResponse:
    """All sessions of the staff user, this one first."""
    visitor = request[VISITOR]
    found = await own_sessions.of_actor(request.app[WORK], actor=visitor.actor, kind="staff")
    return render(
        request,
        "sessions.html",
        sessions=rows_of(found, visitor.agency.zone),
        ended="ended" in request.query,
        crumbs=crumbs_to(request, ("Your Sessions", None)),
    )


@for_staff
async def end_one(request: web.Request) -> web.StreamResponse:
    """Sign out on another device."""
    form = await read_own_form(request, EndSessionForm)
    if form.model is None:
        raise NotFound
    actor = request[VISITOR].actor
    await own_sessions.end_one(request.app[WORK], actor=actor, kind="staff", session_id=form.model.session)
    return see_other(url(request, PAGE, ended="1"))


@for_staff
async def end_others(request: web.Request) -> web.StreamResponse:
    """Sign out everywhere but here."""
    await read_own_form(request, NoFields)
    await own_sessions.end_others(request.app[WORK], actor=request[VISITOR].actor, kind="staff")
    return see_other(url(request, PAGE, ended="1"))
