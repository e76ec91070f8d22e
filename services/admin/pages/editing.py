"""What the buttons of the edit page do. Whatever they do, nothing that was typed is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from uuid import UUID

from aiohttp import web

from services.admin.keys import CREDENTIALS, VISITOR, WORK
from services.admin.pages import login_form, sheet_form, snapshots
from services.admin.pages.edit_page import Anything, EditPage, page_as_sent, page_of, show
from services.admin.pages.login_form import EMAIL, Window
from services.admin.pages.sheet_form import DEACTIVATE, RESIDENCE_EMAIL_FIELD
from services.admin.pages.visitors import for_staff, url
from services.admin.use_cases import face_sheets, portal_logins
from services.admin.use_cases.face_sheets import FaceSheet, LoginsStillActive
from services.admin.use_cases.portal_logins import PortalRefused
from shared.accounts.agencies import NotContracted
from shared.accounts.portal_logins import PortalLogin, UsernameTaken
from shared.deliveries.bounces import EmailComesBack
from shared.errors import Busy, Changed, DomainError, InvalidFields, NotFound, Unparsable
from shared.http.bodies import path_id
from shared.http.csrf import StaleForm, check_csrf
from shared.http.forms import read_form
from shared.http.pages import see_other

ADD, EDIT = "add-login", "edit"

Step = Callable[[web.Request, EditPage], Awaitable[web.Response]]


@for_staff
async def start(request: web.Request) -> web.StreamResponse:
    """The edit page with what is stored; it shows a face sheet, so that it was opened is an event."""
    sheet = await face_sheets.view(request.app[WORK], actor=request[VISITOR].actor, client_id=path_id(request))
    return show(request, page_of(sheet))


@for_staff
async def submit(request: web.Request) -> web.StreamResponse:
    """One of the page's buttons."""
    form = await read_form(request, Anything)
    sheet = await _read(request)
    page = page_as_sent(sheet, form)
    try:
        check_csrf(request, form.csrf_token, request[VISITOR].cookie.digest)
    except StaleForm as error:
        # Somebody whose session ended signed in again in another window: what they typed is still theirs.
        words = "You signed in again meanwhile. What you typed is still here: check it, and press the button again."
        return show(request, replace(page, notice=("warning", words)), status=error.status)
    if login_id := form.value(EDIT):
        return await _edit_login(request, page, login_id)
    step = _STEPS.get(form.value("do"))
    if step is None:
        raise Unparsable("The form did not say which button was pressed.")
    return await step(request, page)


async def _read(request: web.Request) -> FaceSheet:
    return await face_sheets.read(request.app[WORK], actor=request[VISITOR].actor, client_id=path_id(request))


# The window


async def _add_login(request: web.Request, page: EditPage) -> web.Response:
    if page.window is not None:
        return _window_first(request, page)
    page.sheet.agency.require_contract()
    return show(request, replace(page, window=login_form.new_window(), opener=ADD))


async def _edit_login(request: web.Request, page: EditPage, login_id: str) -> web.Response:
    if page.window is not None:
        return _window_first(request, page)
    login = next((login for login in page.sheet.logins if str(login.id) == login_id), None)
    if login is None:
        raise NotFound
    page.sheet.agency.require_contract()
    return show(request, replace(page, window=login_form.window_for(login), opener=login_id))


def _window_first(request: web.Request, page: EditPage) -> web.Response:
    """Without a script the rest of the page works while the window is open; what stands in it must not get lost."""
    return _in_window(request, page, {"": "Save or cancel this portal login first."}, status=409)


async def _cancel(request: web.Request, page: EditPage) -> web.Response:
    return show(request, replace(page, window=None))


async def _populate(request: web.Request, page: EditPage) -> web.Response:
    if page.window is None:
        raise Unparsable("The Portal Login window is not open.")
    email = page.typed.get(RESIDENCE_EMAIL_FIELD, "").strip()
    if not email:
        return _in_window(request, page, {EMAIL: "The Current Residence block has no e-mail to fill in."}, status=422)
    window = replace(page.window, values={**page.window.values, EMAIL: email}, errors={})
    return show(request, replace(page, window=window))


async def _save_login(request: web.Request, page: EditPage) -> web.Response:
    if page.window is None:
        raise Unparsable("The Portal Login window is not open.")
    try:
        words = await (
            _create(request, page, page.window) if page.window.base is None else _change(request, page.window)
        )
    except Changed as error:
        return await _login_changed(request, page, page.window, status=error.status)
    except (InvalidFields, UsernameTaken, PortalRefused, EmailComesBack, NotContracted, Busy) as error:
        return _in_window(request, page, _by_field(error), status=error.status)
    return show(request, replace(page, sheet=await _read(request), window=None, told=("success", words)))


async def _create(request: web.Request, page: EditPage, window: Window) -> str:
    new = login_form.new_login(window)
    login = await portal_logins.create(
        request.app[WORK],
        request.app[CREDENTIALS],
        actor=request[VISITOR].actor,
        client_id=page.sheet.client.id,
        new=new,
    )
    credential = _credential(by_link=page.sheet.agency.link_for_new_logins)
    if not new.reset_password:
        further = "No password was generated and no e-mail was sent."
    elif login.active:
        further = f"An e-mail with a {credential} is on its way to {login.email}."
    else:
        further = f"It is inactive: the e-mail with a {credential} is sent once it is made active."
    return f"Portal login {login.username} was added. {further}"


async def _change(request: web.Request, window: Window) -> str:
    if window.base is None or window.login is None:
        raise Unparsable("The form did not say which portal login is meant.")
    login = await portal_logins.update(
        request.app[WORK],
        request.app[CREDENTIALS],
        actor=request[VISITOR].actor,
        login_id=window.login.id,
        change=login_form.login_change(window, window.base),
        expected_version=window.base.version,
    )
    return _words_of_change(window.login, login)


def _words_of_change(before: PortalLogin, after: PortalLogin) -> str:
    if after.version == before.version:
        return f"Nothing was changed about portal login {after.username}."
    words = f"Portal login {after.username} was changed."
    by_link = after.temporary_password_hash is None
    had = (before.temporary_password_hash, before.temporary_password_expires_at)
    has = (after.temporary_password_hash, after.temporary_password_expires_at)
    if has != had and after.temporary_password_expires_at is not None:
        words += f" An e-mail with a new {_credential(by_link=by_link)} is on its way to {after.email}."
    if before.active and not after.active:
        words += " It is inactive now: nobody can sign in with it, and whoever was signed in is signed out."
    return words


def _credential(*, by_link: bool) -> str:
    """What is on its way to a login's owner."""
    return "link to choose a password" if by_link else "temporary password"


async def _login_changed(request: web.Request, page: EditPage, window: Window, *, status: int) -> web.Response:
    """Somebody else changed the login meanwhile: what was typed stays, the rest is as it is now."""
    sheet = await _read(request)
    login = next((login for login in sheet.logins if window.base and login.id == window.base.id), None)
    if login is None or window.base is None:
        raise NotFound
    current = login_form.snapshot_of(login)
    now = Window(
        login,
        current,
        {**window.values, **snapshots.merged(window.base, current, window.values)},
        differences=snapshots.differences(login_form.FIELDS, window.base, current, window.values),
        changed_meanwhile=True,
    )
    return show(request, replace(page, sheet=sheet, window=now), status=status)


def _in_window(request: web.Request, page: EditPage, errors: Mapping[str, str], *, status: int) -> web.Response:
    if page.window is None:
        raise Unparsable("The Portal Login window is not open.")
    return show(request, replace(page, window=replace(page.window, errors=errors)), status=status)


def _by_field(error: DomainError) -> dict[str, str]:
    return {found.field: found.message for found in error.errors} or {"": error.message}


# The face sheet


async def _update(request: web.Request, page: EditPage) -> web.Response:
    if page.window is not None:
        return _window_first(request, page)
    if not page.base.touched(page.typed):
        return await _leave(request, page)
    try:
        change = sheet_form.change_of(page.sheet, page.base, page.typed, page.unreadable, page.answer)
        await face_sheets.update(
            request.app[WORK],
            request.app[CREDENTIALS],
            actor=request[VISITOR].actor,
            client_id=page.sheet.client.id,
            change=change,
            expected_version=page.base.version,
        )
    except Changed as error:
        return await _sheet_changed(request, page, status=error.status)
    except LoginsStillActive as error:
        asking = replace(page, asks_about_logins=True, errors={DEACTIVATE: error.message})
        return show(request, asking, status=error.status)
    except (InvalidFields, NotContracted) as error:
        return show(request, replace(page, errors=_by_field(error)), status=error.status)
    return see_other(_client_url(request, page.sheet.client.id, updated="1"))


async def _sheet_changed(request: web.Request, page: EditPage, *, status: int) -> web.Response:
    """Somebody else changed the face sheet meanwhile: what was typed stays, the rest is as it is now."""
    sheet = await _read(request)
    current = sheet_form.snapshot_of(sheet)
    now = replace(
        page,
        sheet=sheet,
        base=current,
        typed=snapshots.merged(page.base, current, page.typed),
        differences=snapshots.differences(sheet_form.fields_of(sheet), page.base, current, page.typed),
        changed_meanwhile=True,
    )
    return show(request, now, status=status)


async def _leave(request: web.Request, page: EditPage) -> web.Response:
    return see_other(_client_url(request, page.sheet.client.id))


def _client_url(request: web.Request, client_id: UUID, **query: str) -> str:
    return url(request, f"clients/{client_id}", **query)


_STEPS: Mapping[str, Step] = {
    ADD: _add_login,
    "cancel": _cancel,
    "populate": _populate,
    "save-login": _save_login,
    "update": _update,
    "leave": _leave,
}
