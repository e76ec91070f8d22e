"""What staff users see of themselves."""

from __future__ import annotations

from aiohttp import web

from services.admin.keys import VISITOR, WORK
from services.admin.pages.menus import crumbs_to
from services.admin.pages.visitors import for_staff
from services.admin.use_cases import sessions
from shared.events.staff_catalogue import ROLE_NAMES
from shared.http.pages import render

TITLE = "Your Account"


@for_staff
async def show(request: web.Request) -> web.StreamResponse:
    """Name, username and role, and the ways to the password and the sessions."""
    user = await sessions.me(request.app[WORK], actor=request[VISITOR].actor)
    crumbs = crumbs_to(request, (TITLE, None))
    return render(request, "account.html", user=user, role=ROLE_NAMES[user.role], crumbs=crumbs)
