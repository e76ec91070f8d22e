"""Portal logins and the e-mails to their owners."""

from __future__ import annotations

from aiohttp import web

from services.admin.api.auth import staff_of
from services.admin.api.bodies import (
    Deliveries,
    DeliveryOut,
    NewPortalLoginIn,
    PortalLoginOut,
    PortalLoginPatch,
    Resend,
)
from services.admin.api.cursors import cursor_after, read_cursor
from services.admin.keys import CREDENTIALS, WORK
from services.admin.use_cases import addresses, login_mails, portal_logins
from services.admin.use_cases.portal_logins import LoginInactive, PortalRefused
from shared.accounts.agencies import NotContracted
from shared.accounts.portal_logins import PortalLogin, UsernameTaken
from shared.actors import Actor
from shared.deliveries.bounces import EmailComesBack
from shared.errors import NotFound
from shared.http.answers import Page, json_answer, page_of
from shared.http.bodies import path_id, read_json, read_query
from shared.http.etags import expected_version
from shared.http.openapi import operation
from shared.session_api import Nothing, read_nothing

TAG = "Portal logins"


async def _answer(request: web.Request, actor: Actor, login: PortalLogin, *, status: int = 200) -> web.Response:
    headers = {"Location": f"/api/v1/portal-logins/{login.id}"} if status == 201 else None
    flag = await addresses.flag_of(request.app[WORK], actor=actor, email=login.email)
    body = PortalLoginOut.of(login, request.app[WORK].clock(), flag)
    return json_answer(body, status=status, etag=login.version, headers=headers)


@operation(
    "Add a portal login",
    body=NewPortalLoginIn,
    answers={201: PortalLoginOut},
    problems=(NotContracted, PortalRefused, UsernameTaken, EmailComesBack, NotFound),
    security="staff",
    tag=TAG,
)
async def create_portal_login(request: web.Request) -> web.Response:
    """Its owner is sent the Agency Portal URL, the username and a temporary password, or a link to choose one.

    An inactive login is mailed when it is made active; without ``reset_password`` there is no password and no e-mail.
    """
    actor = await staff_of(request)
    body = await read_json(request, NewPortalLoginIn)
    login = await portal_logins.create(
        request.app[WORK], request.app[CREDENTIALS], actor=actor, client_id=path_id(request), new=body.new()
    )
    return await _answer(request, actor, login, status=201)


@operation("Read a portal login", answers={200: PortalLoginOut}, security="staff", tag=TAG, etag=True)
async def get_portal_login(request: web.Request) -> web.Response:
    """One login as it is now."""
    actor = await staff_of(request)
    login = await portal_logins.read(request.app[WORK], actor=actor, login_id=path_id(request))
    return await _answer(request, actor, login)


@operation(
    "Change a portal login",
    body=PortalLoginPatch,
    answers={200: PortalLoginOut},
    problems=(NotContracted, EmailComesBack),
    security="staff",
    tag=TAG,
    etag=True,
)
async def update_portal_login(request: web.Request) -> web.Response:
    """Made inactive, or given a new password, its sessions end at once and everywhere."""
    actor = await staff_of(request)
    body = await read_json(request, PortalLoginPatch)
    login = await portal_logins.update(
        request.app[WORK],
        request.app[CREDENTIALS],
        actor=actor,
        login_id=path_id(request),
        change=body.change(),
        expected_version=expected_version(request),
    )
    return await _answer(request, actor, login)


@operation("Unlock a portal login", body=Nothing, answers={200: PortalLoginOut}, security="staff", tag=TAG, etag=True)
async def unlock_portal_login(request: web.Request) -> web.Response:
    """Lift a lock that came of too many wrong passwords. The body may be left out."""
    actor = await staff_of(request)
    await read_nothing(request)
    login = await portal_logins.unlock(request.app[WORK], actor=actor, login_id=path_id(request))
    return await _answer(request, actor, login)


@operation(
    "Send the e-mail again",
    body=Resend,
    answers={200: PortalLoginOut},
    problems=(NotContracted, LoginInactive, EmailComesBack),
    security="staff",
    tag=TAG,
    etag=True,
)
async def resend_portal_login(request: web.Request) -> web.Response:
    """With a new temporary password; the one before it, or the owner's own, and all sessions end at once.

    With ``email`` the address is corrected in the same step. The body may be left out.
    """
    actor = await staff_of(request)
    body = await read_json(request, Resend) if request.body_exists else Resend()
    login = await portal_logins.resend(
        request.app[WORK],
        request.app[CREDENTIALS],
        actor=actor,
        login_id=path_id(request),
        expected_version=expected_version(request),
        **body.changes(),
    )
    return await _answer(request, actor, login)


@operation("Sign a portal login out", body=Nothing, answers={200: PortalLoginOut}, security="staff", tag=TAG, etag=True)
async def sign_out_portal_login(request: web.Request) -> web.Response:
    """End all of its sessions, at once and everywhere. Its password stays good. The body may be left out."""
    actor = await staff_of(request)
    await read_nothing(request)
    login = await portal_logins.sign_out(request.app[WORK], actor=actor, login_id=path_id(request))
    return await _answer(request, actor, login)


@operation(
    "Say that a portal login's address works",
    body=Nothing,
    answers={200: PortalLoginOut},
    security="staff",
    tag=TAG,
    etag=True,
)
async def email_works(request: web.Request) -> web.Response:
    """Send to it again after e-mails came back. The body may be left out."""
    actor = await staff_of(request)
    await read_nothing(request)
    login = await addresses.works_again(request.app[WORK], actor=actor, login_id=path_id(request))
    return await _answer(request, actor, login)


@operation(
    "The e-mails to a login's owner", answers={200: Page[DeliveryOut]}, query=Deliveries, security="staff", tag=TAG
)
async def list_deliveries(request: web.Request) -> web.Response:
    """The newest first, each with its attempts, what the mail server said, and what became of it."""
    actor = await staff_of(request)
    query = read_query(request, Deliveries)
    found = await login_mails.of_login(
        request.app[WORK],
        actor=actor,
        login_id=path_id(request),
        before=read_cursor(query.cursor),
        limit=query.limit + 1,
    )
    page, more = found[: query.limit], len(found) > query.limit
    items = [DeliveryOut.of(mail) for mail in page]
    return json_answer(page_of(items, cursor_after(page[-1].delivery.id if more else None)))
