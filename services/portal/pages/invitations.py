"""The page behind the link that comes in place of a temporary password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from services.portal.keys import GATE, WORK
from services.portal.pages.visitors import DOOR, agency_of, url
from services.portal.use_cases import invitations
from services.portal.use_cases.invitations import InvitationExpired
from shared.doors import origin_of
from shared.http.forms import Form, read_form
from shared.http.pages import render, see_other
from shared.password_forms import CodeForm


async def show(request: web.Request) -> web.StreamResponse:
    """It does nothing by itself: mail scanners open links, too."""
    await agency_of(request)
    return render(request, "invitation.html", form=None)


async def submit(request: web.Request) -> web.StreamResponse:
    """On to the choice of a password, which the code is good for until there is one."""
    agency = await agency_of(request)
    form = await read_form(request, CodeForm)
    try:
        if form.model is not None:
            required = await invitations.accept(
                request.app[WORK],
                request.app[GATE],
                token=form.model.code,
                origin=origin_of(request),
                slug=agency.slug,
            )
            response = see_other(url(request, "choose-password"))
            DOOR.choice_cookie(request).set(response, required.token, max_age=required.expires_in)
            return response
    except InvitationExpired as error:
        form = Form(form.values, {"code": error.message}, None)
    return render(request, "invitation.html", status=422, form=form)


async def choice_context(request: web.Request, token: str) -> Mapping[str, Any]:
    """What the page of the choice says besides: whose login, and whose record it is."""
    return {"choice": await invitations.choice(request.app[WORK], token=token)}
