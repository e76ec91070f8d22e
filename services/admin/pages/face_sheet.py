"""The face sheet to read."""

from __future__ import annotations

from uuid import UUID

from aiohttp import web

from services.admin.keys import CREDENTIALS, VISITOR, WORK
from services.admin.pages import login_mails, sheet_form
from services.admin.pages.menus import FACE_SHEET, admissions, crumbs_to
from services.admin.pages.visitors import for_staff, read_own_form, url
from services.admin.use_cases import face_sheets, portal_logins
from services.admin.use_cases.face_sheets import FaceSheet
from shared.accounts.portal_logins import PortalLogin
from shared.deliveries.bounces import Flag, Returned
from shared.errors import NotFound
from shared.http.bodies import path_id
from shared.http.fields import Body
from shared.http.keys import CLOCK
from shared.http.pages import render, see_other
from shared.http.times import short_time

# What a redirect has the page say; the address carries the key and no words.
_NOTICES = {
    "updated": "The face sheet was updated.",
    "factor-removed": "The second step was removed. The owner is told by e-mail.",
    "unlocked": "The portal login is not locked any more.",
    "signed-out": "The portal login was signed out everywhere.",
    "resent": "A new e-mail is on its way. The password or link in the one before it no longer works.",
    "email-works": "E-mails are sent to that address again. If they come back once more, this page will say so.",
}


class LoginForm(Body):
    """A button that is about one of the client's portal logins."""

    login: UUID


@for_staff
async def show(request: web.Request) -> web.StreamResponse:
    """A client's face sheet; that it was opened is an event."""
    sheet = await face_sheets.view(request.app[WORK], actor=request[VISITOR].actor, client_id=path_id(request))
    crumbs = crumbs_to(
        request, admissions(request), (FACE_SHEET, url(request, "face-sheet")), (sheet.client.name, None)
    )
    return render(
        request,
        "face_sheet.html",
        sheet=sheet,
        blocks=sheet_form.blocks_of(sheet),
        portal_url=request.app[CREDENTIALS].portal_address(sheet.agency),
        edit_url=url(request, f"clients/{sheet.client.id}/edit"),
        locks=_locks(request, sheet),
        reports=[(one, short_time(one.reported_at, sheet.agency.zone)) for one in sheet.logins if one.reported_at],
        bounced=_bounced(sheet),
        returned=_returned(sheet),
        waiting=[login.id for login in sheet.logins if login.email_waits(request.app[CLOCK]())],
        client_url=url(request, f"clients/{sheet.client.id}"),
        emails=await login_mails.on_face_sheet(request, sheet),
        notice=_NOTICES.get("updated" if "updated" in request.query else request.query.get("done", "")),
        crumbs=crumbs,
    )


def _locks(request: web.Request, sheet: FaceSheet) -> list[tuple[PortalLogin, str]]:
    """The logins that are locked at this moment, each with the time until when."""
    now, zone = request.app[CLOCK](), sheet.agency.zone
    return [
        (login, short_time(login.locked_until, zone))
        for login in sheet.logins
        if login.locked_until is not None and login.locked(now)
    ]


def _bounced(sheet: FaceSheet) -> list[tuple[PortalLogin, str, Flag]]:
    """The logins to whose address nothing is sent, each with the time since when, and why."""
    found = ((login, sheet.flag(login)) for login in sheet.logins)
    return [(login, short_time(flag.since, sheet.agency.zone), flag) for login, flag in found if flag is not None]


def _returned(sheet: FaceSheet) -> list[tuple[PortalLogin, str, Returned]]:
    """The logins whose latest e-mail came back, while their address may be right."""
    found = ((login, sheet.returned.get(login.id)) for login in sheet.logins if sheet.flag(login) is None)
    return [(login, short_time(one.at, sheet.agency.zone), one) for login, one in found if one is not None]


@for_staff
async def unlock(request: web.Request) -> web.StreamResponse:
    """Lift a portal login's lock."""
    await portal_logins.unlock(request.app[WORK], actor=request[VISITOR].actor, login_id=await login_of_button(request))
    return see_other(url(request, f"clients/{path_id(request)}", done="unlocked"))


@for_staff
async def sign_out(request: web.Request) -> web.StreamResponse:
    """End all sessions of a portal login."""
    await portal_logins.sign_out(
        request.app[WORK], actor=request[VISITOR].actor, login_id=await login_of_button(request)
    )
    return see_other(url(request, f"clients/{path_id(request)}", done="signed-out"))


async def login_of_button(request: web.Request) -> UUID:
    """The login that a button of the face sheet is about. Raises NotFound."""
    form = await read_own_form(request, LoginForm)
    if form.model is None:
        raise NotFound
    return form.model.login
