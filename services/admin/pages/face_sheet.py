"""The face sheet to read."""

from __future__ import annotations

from aiohttp import web

from services.admin.keys import CREDENTIALS, VISITOR, WORK
from services.admin.pages import sheet_form
from services.admin.pages.menus import FACE_SHEET, admissions, crumbs_to
from services.admin.pages.visitors import for_staff, url
from services.admin.use_cases import face_sheets
from shared.http.bodies import path_id
from shared.http.pages import render


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
        updated="updated" in request.query,
        crumbs=crumbs,
    )
