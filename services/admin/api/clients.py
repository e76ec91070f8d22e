"""Clients and their face sheets."""

from __future__ import annotations

from aiohttp import web

from services.admin.api.auth import staff_of
from services.admin.api.bodies import ClientFoundOut, ClientOut, ClientPatch, NewClientIn, Search
from services.admin.api.cursors import cursor_after, read_cursor
from services.admin.keys import CREDENTIALS, WORK
from services.admin.use_cases import face_sheets
from services.admin.use_cases.face_sheets import FaceSheet
from shared.accounts.agencies import NotContracted
from shared.accounts.clients import CaseNumberTaken, ClientNumberTaken
from shared.http.answers import Page, json_answer, page_of
from shared.http.bodies import path_id, read_json
from shared.http.etags import expected_version
from shared.http.openapi import operation

TAG = "Clients"


def _answer(request: web.Request, sheet: FaceSheet, *, status: int = 200) -> web.Response:
    url = request.app[CREDENTIALS].portal_address(sheet.agency)
    headers = {"Location": f"/api/v1/clients/{sheet.client.id}"} if status == 201 else None
    body = ClientOut.of(sheet, url, request.app[WORK].clock())
    return json_answer(body, status=status, etag=sheet.client.version, headers=headers)


@operation("Find clients", body=Search, answers={200: Page[ClientFoundOut]}, security="staff", tag=TAG)
async def search_clients(request: web.Request) -> web.Response:
    """By name, date of birth, client or case number, or the beginning of each. A POST: no client data in addresses."""
    actor = await staff_of(request)
    body = await read_json(request, Search)
    found = await face_sheets.search_page(
        request.app[WORK], actor=actor, query=body.query, after=read_cursor(body.cursor), limit=body.limit
    )
    items = [ClientFoundOut.model_validate(client) for client in found.clients]
    return json_answer(page_of(items, cursor_after(found.next_after)))


@operation(
    "Add a client",
    body=NewClientIn,
    answers={201: ClientOut},
    problems=(ClientNumberTaken, CaseNumberTaken),
    security="staff",
    tag=TAG,
    description="A client number that is left out is assigned. With a case number the client's first case is opened.",
)
async def create_client(request: web.Request) -> web.Response:
    """Add a client."""
    actor = await staff_of(request)
    body = await read_json(request, NewClientIn)
    return _answer(request, await face_sheets.create(request.app[WORK], actor=actor, new=body.new()), status=201)


@operation("Open a face sheet", answers={200: ClientOut}, security="staff", tag=TAG, etag=True)
async def get_client(request: web.Request) -> web.Response:
    """That it was opened is recorded. The ETag covers the client's own fields; each login has one of its own."""
    actor = await staff_of(request)
    return _answer(request, await face_sheets.view(request.app[WORK], actor=actor, client_id=path_id(request)))


@operation(
    "Change a face sheet",
    body=ClientPatch,
    answers={200: ClientOut},
    problems=(NotContracted,),
    security="staff",
    tag=TAG,
    etag=True,
)
async def update_client(request: web.Request) -> web.Response:
    """Fields and entries that are not named stay as they are; an entry that is named and empty is cleared."""
    actor = await staff_of(request)
    body = await read_json(request, ClientPatch)
    sheet = await face_sheets.update(
        request.app[WORK],
        request.app[CREDENTIALS],
        actor=actor,
        client_id=path_id(request),
        change=body.change(),
        expected_version=expected_version(request),
    )
    return _answer(request, sheet)
