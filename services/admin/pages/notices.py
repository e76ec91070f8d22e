"""E-mail Notices: what the owners of portal logins are told, and what a new login is sent."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from services.admin.keys import VISITOR, WORK
from services.admin.pages.menus import NOTICES, administration, crumbs_to
from services.admin.pages.visitors import for_staff, read_own_form, url
from services.admin.use_cases import notices
from services.admin.use_cases.notices import (
    LOGIN_INACTIVE_LABEL,
    NEW_DEVICE_LABEL,
    NEW_EMAIL_LABEL,
    NEW_LOGINS,
    NEW_LOGINS_LABEL,
    NewLoginsGet,
)
from shared.errors import InvalidFields
from shared.http.fields import Body
from shared.http.pages import render, see_other

_LABELS: Final = {
    "new_device": NEW_DEVICE_LABEL,
    "login_inactive": LOGIN_INACTIVE_LABEL,
    "new_email": NEW_EMAIL_LABEL,
    "new_logins_get": NEW_LOGINS_LABEL,
}


class NoticesForm(Body):
    """The boxes and the choice of the page."""

    new_device: bool
    login_inactive: bool
    new_email: bool
    new_logins_get: NewLoginsGet


@for_staff
async def show(request: web.Request) -> web.StreamResponse:
    """The notices as they are."""
    found = await notices.read(request.app[WORK], actor=request[VISITOR].actor)
    crumbs = crumbs_to(request, administration(request), (NOTICES.label, None))
    saved = "saved" in request.query
    return render(
        request, "notices.html", notices=found, labels=_LABELS, new_logins=NEW_LOGINS, saved=saved, crumbs=crumbs
    )


@for_staff
async def submit(request: web.Request) -> web.StreamResponse:
    """Save them."""
    form = await read_own_form(request, NoticesForm)
    if form.model is None:
        raise InvalidFields
    await notices.change(request.app[WORK], actor=request[VISITOR].actor, **form.model.changes())
    return see_other(url(request, NOTICES.page, saved="1"))
