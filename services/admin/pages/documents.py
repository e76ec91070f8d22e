"""The Document Center: a client's cases, and the forms that can be opened for one of them."""

from __future__ import annotations

from typing import Final, Literal
from uuid import UUID

from aiohttp import web

from services.admin.keys import VISITOR, WORK
from services.admin.pages.menus import DOCUMENT_CENTER, Crumbs, crumbs_to, reports
from services.admin.pages.visitors import for_staff, read_own_form, url
from services.admin.pages.wording import case_facts
from services.admin.use_cases import documents
from services.admin.use_cases.documents import ClientFile
from shared.http.bodies import path_id
from shared.http.fields import Body
from shared.http.forms import Form
from shared.http.pages import render, see_other

NO_CASE: Final = "no-case"
CHANGES: Final = "face-sheet-changes"


class CaseForm(Body):
    """Which case is to be opened: its id, or ``no-case``."""

    case: str


class DocumentForm(Body):
    """Which form is to be opened."""

    form: Literal["face-sheet-changes"]


def file_url(request: web.Request, client_id: UUID, case: UUID | None = None, form: str = "") -> str:
    """The address of a client's case, or of a form of it."""
    return url(request, f"document-center/{client_id}/{case or NO_CASE}" + (f"/{form}" if form else ""))


def crumbs_of(request: web.Request, file: ClientFile, *further: tuple[str, str | None]) -> Crumbs:
    """The way to a client's file; what follows is below it."""
    own = None if not further else url(request, f"document-center/{file.client.id}")
    center = (DOCUMENT_CENTER, url(request, "document-center"))
    return crumbs_to(request, reports(request), center, (file.client.name, own), *further)


def case_label(file: ClientFile) -> str:
    """What the open case is called."""
    return f"Case # {file.case.case_number}" if file.case else "No case"


def case_fact(file: ClientFile) -> tuple[str, str]:
    """The open case in the line of facts below a heading."""
    return ("Case #", file.case.case_number) if file.case else ("Case #", "No case")


async def opened(request: web.Request) -> ClientFile:
    """The client's file with the case of the address open. Raises NotFound."""
    case = request.match_info["case"]
    return await documents.open_case(
        request.app[WORK],
        actor=request[VISITOR].actor,
        client_id=path_id(request),
        case_id=None if case == NO_CASE else path_id(request, "case"),
    )


@for_staff
async def show_client(request: web.Request) -> web.StreamResponse:
    """A client's cases to choose from."""
    return _client_page(request, await _file(request), None)


@for_staff
async def open_case(request: web.Request) -> web.StreamResponse:
    """On to the case that was chosen."""
    form = await read_own_form(request, CaseForm)
    file = await _file(request)
    ids = {str(case.id): case.id for case in file.cases}
    chosen = form.value("case")
    if chosen in ids:
        return see_other(file_url(request, file.client.id, ids[chosen]))
    if chosen == NO_CASE and not ids:
        return see_other(file_url(request, file.client.id))
    told: Form[CaseForm] = Form(form.values, {"case": "Choose a case."}, None)
    return _client_page(request, file, told, status=422)


async def _file(request: web.Request) -> ClientFile:
    return await documents.of_client(request.app[WORK], actor=request[VISITOR].actor, client_id=path_id(request))


def _client_page(
    request: web.Request, file: ClientFile, form: Form[CaseForm] | None, *, status: int = 200
) -> web.Response:
    choices = [(str(case.id), f"Case # {case.case_number}", case_facts(case)) for case in file.cases]
    return render(
        request,
        "document_client.html",
        status=status,
        file=file,
        choices=choices or [(NO_CASE, "No case", "This client has no case yet.")],
        form=form,
        crumbs=crumbs_of(request, file),
    )


@for_staff
async def show_case(request: web.Request) -> web.StreamResponse:
    """What can be opened for a case."""
    return _case_page(request, await opened(request), None)


@for_staff
async def open_form(request: web.Request) -> web.StreamResponse:
    """On to the form that was chosen."""
    form = await read_own_form(request, DocumentForm)
    file = await opened(request)
    if form.model is None:
        told: Form[DocumentForm] = Form(form.values, {"form": "Choose what to open."}, None)
        return _case_page(request, file, told, status=422)
    case_id = file.case.id if file.case else None
    return see_other(file_url(request, file.client.id, case_id, form.model.form))


def _case_page(
    request: web.Request, file: ClientFile, form: Form[DocumentForm] | None, *, status: int = 200
) -> web.Response:
    return render(
        request,
        "document_case.html",
        status=status,
        file=file,
        case_fact=case_fact(file),
        choices=[(CHANGES, "Changes to this Client's face sheet")],
        form=form,
        crumbs=crumbs_of(request, file, (case_label(file), None)),
    )
