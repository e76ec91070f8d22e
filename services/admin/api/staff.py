"""The agency's staff users, for its admins."""

from __future__ import annotations

from aiohttp import web

from services.admin.api.auth import staff_of
from services.admin.api.bodies import Deliveries, DeliveryOut
from services.admin.api.cursors import cursor_after, read_cursor
from services.admin.api.staff_bodies import NewStaffUserIn, StaffQuery, StaffUserOut, StaffUserPatch
from services.admin.keys import CREDENTIALS, MAILS, WORK
from services.admin.use_cases import staff_users
from services.admin.use_cases.staff_users import LastAgencyAdmin, OwnDeactivation, OwnRole
from shared.accounts.staff import StaffUser, StaffUsernameTaken
from shared.errors import NotAllowed
from shared.http.answers import Page, json_answer, page_of
from shared.http.bodies import path_id, read_json, read_query
from shared.http.etags import expected_version
from shared.http.openapi import operation
from shared.session_api import Nothing, read_nothing

TAG = "Staff"


def _answer(request: web.Request, user: StaffUser, *, status: int = 200) -> web.Response:
    headers = {"Location": f"/api/v1/staff/{user.id}"} if status == 201 else None
    body = StaffUserOut.of(user, request.app[WORK].clock())
    return json_answer(body, status=status, etag=user.version, headers=headers)


@operation(
    "The agency's staff",
    answers={200: Page[StaffUserOut]},
    query=StaffQuery,
    problems=(NotAllowed,),
    security="staff",
    tag=TAG,
)
async def list_staff(request: web.Request) -> web.Response:
    """By username. For agency admins, as everything about staff users."""
    actor = await staff_of(request)
    query = read_query(request, StaffQuery)
    found = await staff_users.page(
        request.app[WORK], actor=actor, after=read_cursor(query.cursor), active=query.active, limit=query.limit
    )
    now = request.app[WORK].clock()
    return json_answer(page_of((StaffUserOut.of(u, now) for u in found.users), cursor_after(found.next_after)))


@operation(
    "Add a staff user",
    body=NewStaffUserIn,
    answers={201: StaffUserOut},
    problems=(NotAllowed, StaffUsernameTaken),
    security="staff",
    tag=TAG,
)
async def create_staff_user(request: web.Request) -> web.Response:
    """They are sent the address of the agency's staff pages, the username and a temporary password."""
    actor = await staff_of(request)
    body = await read_json(request, NewStaffUserIn)
    user = await staff_users.create(
        request.app[WORK], request.app[CREDENTIALS], request.app[MAILS], actor=actor, new=body.new()
    )
    return _answer(request, user, status=201)


@operation(
    "Read a staff user", answers={200: StaffUserOut}, problems=(NotAllowed,), security="staff", tag=TAG, etag=True
)
async def get_staff_user(request: web.Request) -> web.Response:
    """One staff user as they are now."""
    actor = await staff_of(request)
    return _answer(request, await staff_users.read(request.app[WORK], actor=actor, staff_id=path_id(request)))


@operation(
    "Change a staff user",
    body=StaffUserPatch,
    answers={200: StaffUserOut},
    problems=(NotAllowed, OwnRole, OwnDeactivation, LastAgencyAdmin),
    security="staff",
    tag=TAG,
    etag=True,
)
async def update_staff_user(request: web.Request) -> web.Response:
    """With another role, a new password, or made inactive, their sessions end at once and everywhere.

    Whoever is made active without a password of their own is sent a temporary one.
    """
    actor = await staff_of(request)
    body = await read_json(request, StaffUserPatch)
    user = await staff_users.update(
        request.app[WORK],
        request.app[CREDENTIALS],
        request.app[MAILS],
        actor=actor,
        staff_id=path_id(request),
        change=body.change(),
        expected_version=expected_version(request),
    )
    return _answer(request, user)


@operation(
    "Unlock a staff user",
    body=Nothing,
    answers={200: StaffUserOut},
    problems=(NotAllowed,),
    security="staff",
    tag=TAG,
    etag=True,
)
async def unlock_staff_user(request: web.Request) -> web.Response:
    """Lift a lock that came of too many wrong passwords. The body may be left out."""
    actor = await staff_of(request)
    await read_nothing(request)
    return _answer(request, await staff_users.unlock(request.app[WORK], actor=actor, staff_id=path_id(request)))


@operation(
    "Sign a staff user out",
    body=Nothing,
    answers={200: StaffUserOut},
    problems=(NotAllowed,),
    security="staff",
    tag=TAG,
    etag=True,
)
async def sign_out_staff_user(request: web.Request) -> web.Response:
    """End all of their sessions, at once and everywhere. Their password stays good. The body may be left out."""
    actor = await staff_of(request)
    await read_nothing(request)
    return _answer(request, await staff_users.sign_out(request.app[WORK], actor=actor, staff_id=path_id(request)))


@operation(
    "The e-mails to a staff user",
    answers={200: Page[DeliveryOut]},
    query=Deliveries,
    problems=(NotAllowed,),
    security="staff",
    tag=TAG,
)
async def list_staff_deliveries(request: web.Request) -> web.Response:
    """The newest first, each with its attempts and what the mail server said."""
    actor = await staff_of(request)
    query = read_query(request, Deliveries)
    found = await staff_users.deliveries_of(
        request.app[WORK],
        actor=actor,
        staff_id=path_id(request),
        before=read_cursor(query.cursor),
        limit=query.limit + 1,
    )
    page, more = found[: query.limit], len(found) > query.limit
    items = [DeliveryOut.of(mail) for mail in page]
    return json_answer(page_of(items, cursor_after(page[-1].delivery.id if more else None)))
