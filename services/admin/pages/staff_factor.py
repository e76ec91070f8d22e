"""Removing the second factor of a staff user who has lost it."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web

from services.admin.keys import MAILS, VISITOR, WORK
from services.admin.pages.menus import STAFF, administration, crumbs_to
from services.admin.pages.visitors import for_holders, read_own_form, url
from services.admin.use_cases import second_factor, staff_users
from services.admin.use_cases.second_factor import NothingToReset
from shared.accounts.staff import StaffUser
from shared.errors import NotAllowed
from shared.http.bodies import path_id
from shared.http.fields import Body, Line
from shared.http.forms import Form
from shared.http.pages import render, see_other
from shared.rights import Right

_for_admins = for_holders(Right.MANAGE_STAFF)


class ReasonForm(Body):
    """Why it is removed."""

    reason: Annotated[str, Line(200, 3)]


async def _user(request: web.Request) -> StaffUser:
    return await staff_users.read(request.app[WORK], actor=request[VISITOR].actor, staff_id=path_id(request))


@_for_admins
async def show(request: web.Request) -> web.StreamResponse:
    """The page that asks for the reason."""
    return _page(request, await _user(request), None)


@_for_admins
async def submit(request: web.Request) -> web.StreamResponse:
    """Remove it."""
    form = await read_own_form(request, ReasonForm)
    user = await _user(request)
    if form.model is None:
        return _page(request, user, form)
    try:
        await second_factor.reset_of_staff(
            request.app[WORK],
            request.app[MAILS],
            actor=request[VISITOR].actor,
            staff_user_id=user.id,
            reason=form.model.reason,
        )
    except (NothingToReset, NotAllowed) as error:
        return _page(request, user, Form(form.values, {"": error.message}, None))
    return see_other(url(request, f"{STAFF.page}/{user.id}", done="factor-removed"))


def _page(request: web.Request, user: StaffUser, form: Form[ReasonForm] | None) -> web.StreamResponse:
    person_url = url(request, f"{STAFF.page}/{user.id}")
    crumbs = crumbs_to(
        request,
        administration(request),
        (STAFF.label, url(request, STAFF.page)),
        (user.display_name, person_url),
        ("Remove the second step", None),
    )
    status = 422 if form else 200
    return render(
        request, "staff_factor.html", status=status, form=form, user=user, person_url=person_url, crumbs=crumbs
    )
