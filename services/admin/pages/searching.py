"""The search for a client, on the way to a face sheet and in the Document Center."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from aiohttp import web
from aiohttp.typedefs import Handler

from services.admin.keys import VISITOR, WORK
from services.admin.pages.menus import DOCUMENT_CENTER, FACE_SHEET, admissions, crumbs_to, reports
from services.admin.pages.visitors import for_staff, read_own_form, url
from services.admin.use_cases import face_sheets
from services.admin.use_cases.face_sheets import FoundPage
from shared.errors import InvalidFields
from shared.http.fields import Body, Line
from shared.http.forms import Form
from shared.http.pages import render

_ROWS = 25


class SearchForm(Body):
    """What to search for; ``cursor`` is the client after whom the next results begin."""

    query: Annotated[str, Line(200)]
    cursor: UUID | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a search stands, and where a client that was found is opened."""

    title: str
    path: str
    client_path: str


_FACE_SHEET = _Place(FACE_SHEET, "face-sheet", "clients/")
_DOCUMENT_CENTER = _Place(DOCUMENT_CENTER, "document-center", "document-center/")


def _showing(place: _Place) -> Handler:
    async def show(request: web.Request) -> web.StreamResponse:
        return _page(request, place, None, None)

    return for_staff(show)


def _searching(place: _Place) -> Handler:
    async def search(request: web.Request) -> web.StreamResponse:
        form = await read_own_form(request, SearchForm)
        if form.model is None:
            return _page(request, place, form, None, status=422)
        try:
            found = await face_sheets.search_page(
                request.app[WORK],
                actor=request[VISITOR].actor,
                query=form.model.query,
                after=form.model.cursor,
                limit=_ROWS,
            )
        except InvalidFields as error:
            return _page(request, place, form.refused(error.errors), None, status=error.status)
        return _page(request, place, form, found)

    return for_staff(search)


def _page(
    request: web.Request, place: _Place, form: Form[SearchForm] | None, found: FoundPage | None, *, status: int = 200
) -> web.Response:
    menu = admissions(request) if place is _FACE_SHEET else reports(request)
    return render(
        request,
        "search.html",
        status=status,
        title=place.title,
        crumbs=crumbs_to(request, menu, (place.title, None)),
        action=url(request, place.path),
        client_url=url(request, place.client_path),
        form=form,
        found=found,
        first=form is None or not form.value("cursor"),
    )


show_face_sheet_search = _showing(_FACE_SHEET)
search_face_sheet = _searching(_FACE_SHEET)
show_document_search = _showing(_DOCUMENT_CENTER)
search_document = _searching(_DOCUMENT_CENTER)
