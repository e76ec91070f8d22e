"""What the face sheet says of e-mail addresses at which nothing arrives."""

from __future__ import annotations

from aiohttp import web

from services.admin.keys import VISITOR, WORK
from services.admin.pages.face_sheet import login_of_button
from services.admin.pages.visitors import for_staff, url
from services.admin.use_cases import addresses
from shared.http.bodies import path_id
from shared.http.pages import see_other


@for_staff
async def works_again(request: web.Request) -> web.StreamResponse:
    """Send to a portal login's address again."""
    login_id = await login_of_button(request)
    await addresses.works_again(request.app[WORK], actor=request[VISITOR].actor, login_id=login_id)
    return see_other(url(request, f"clients/{path_id(request)}", done="email-works"))
