"""Removing the second factor of a portal login whose owner has lost it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from aiohttp import web

from services.admin.keys import CREDENTIALS, VISITOR, WORK
from services.admin.pages.menus import FACE_SHEET, admissions, crumbs_to
from services.admin.pages.visitors import for_staff, read_own_form, url
from services.admin.use_cases import face_sheets, second_factor
from services.admin.use_cases.face_sheets import FaceSheet
from services.admin.use_cases.second_factor import NothingToReset
from shared.accounts.portal_logins import PortalLogin
from shared.errors import NotFound
from shared.http.bodies import path_id
from shared.http.fields import Body, Line
from shared.http.forms import Form
from shared.http.pages import render, see_other


class ResetForm(Body):
    """Whose second factor, and why."""

    login: UUID
    reason: Annotated[str, Line(200, 3)]


@for_staff
async def show(request: web.Request) -> web.StreamResponse:
    """The page that asks for the reason."""
    sheet, login = await _found(request, request.query.get("login", ""))
    return _page(request, sheet, login, None)


@for_staff
async def submit(request: web.Request) -> web.StreamResponse:
    """Remove it."""
    form = await read_own_form(request, ResetForm)
    sheet, login = await _found(request, form.value("login"))
    if form.model is None:
        return _page(request, sheet, login, form)
    try:
        await second_factor.reset_of_login(
            request.app[WORK],
            request.app[CREDENTIALS],
            actor=request[VISITOR].actor,
            login_id=login.id,
            reason=form.model.reason,
        )
    except NothingToReset as error:
        return _page(request, sheet, login, Form(form.values, {"": error.message}, None))
    return see_other(url(request, f"clients/{path_id(request)}", done="factor-removed"))


async def _found(request: web.Request, wanted: str) -> tuple[FaceSheet, PortalLogin]:
    sheet = await face_sheets.read(request.app[WORK], actor=request[VISITOR].actor, client_id=path_id(request))
    login = next((login for login in sheet.logins if str(login.id) == wanted), None)
    if login is None:
        raise NotFound
    return sheet, login


def _page(
    request: web.Request, sheet: FaceSheet, login: PortalLogin, form: Form[ResetForm] | None
) -> web.StreamResponse:
    client_url = url(request, f"clients/{sheet.client.id}")
    crumbs = crumbs_to(
        request,
        admissions(request),
        (FACE_SHEET, url(request, "face-sheet")),
        (sheet.client.name, client_url),
        ("Remove the second step", None),
    )
    return render(
        request,
        "factor_reset.html",
        status=422 if form else 200,
        form=form,
        login=login,
        client_url=client_url,
        crumbs=crumbs,
    )
