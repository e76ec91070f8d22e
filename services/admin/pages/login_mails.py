"""The e-mails to a portal login's owner, step by step, and sending the one with the password again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from aiohttp import web

from services.admin.keys import CREDENTIALS, VISITOR, WORK
from services.admin.pages.menus import FACE_SHEET, Crumbs, admissions, crumbs_to
from services.admin.pages.signing_in import NoFields
from services.admin.pages.visitors import for_staff, read_own_form, url
from services.admin.pages.wording import log_time
from services.admin.use_cases import face_sheets, login_mails, portal_logins
from services.admin.use_cases.face_sheets import FaceSheet
from services.admin.use_cases.login_mails import Newest
from services.admin.use_cases.portal_logins import LoginInactive, PasswordChosen
from shared.accounts.agencies import NotContracted
from shared.accounts.portal_logins import PortalLogin
from shared.deliveries.timeline import Followed, Step
from shared.errors import Changed, InvalidFields, NotFound
from shared.http.bodies import path_id
from shared.http.fields import Body, Email
from shared.http.forms import Form
from shared.http.keys import CLOCK
from shared.http.pages import render, see_other
from shared.rights import Right, allowed

_ON_THE_FACE_SHEET: Final = 3
_ROWS: Final = 25

TagKind = Literal["neutral", "success", "info", "warning", "error"]

_WHAT: Final[Mapping[str, str]] = {
    "temporary_password": "Temporary password",
    "password_reset": "Password reset",
    "password_changed": "Password was changed",
    "username": "Forgotten username",
    "email_changed": "E-mail address was changed",
    "second_factor_changed": "Second step was changed",
    "second_factor_reset": "Second step was removed",
    "passkey_changed": "Passkey was added or removed",
    "sign_in_refused": "Somebody tried to sign in",
    "invitation_link": "Link to choose a password",
    "new_device": "Sign-in on a new device",
    "login_inactive": "Login was made inactive",
    "new_email": "New e-mail address",
}
_STATES: Final[Mapping[str, tuple[str, TagKind]]] = {
    "queued": ("Waiting to be sent", "info"),
    "sending": ("Being sent", "info"),
    "accepted": ("Accepted", "success"),
    "failed": ("Failed", "error"),
    "expired": ("Not sent in time", "error"),
    "superseded": ("Replaced by a newer one", "neutral"),
    "cancelled": ("Withdrawn", "neutral"),
}
# What came after a mail server had accepted it says more than that; the last of these that happened counts.
_AFTER: Final[Mapping[str, tuple[str, TagKind]]] = {
    "bounced": ("Came back", "error"),
    "superseded": ("Replaced by a newer one", "neutral"),
    "opened": ("Opened the portal", "success"),
    "password_chosen": ("Password chosen", "success"),
    "expired_unused": ("Ran out unused", "warning"),
}


class AddressForm(Body):
    """The right address, and which state of the login the page showed."""

    email: Email
    version: int


@dataclass(frozen=True, slots=True)
class MailRow:
    """One e-mail as pages show it."""

    what: str
    recipient: str
    asked: str
    state: str
    tag: TagKind
    steps: tuple[tuple[str, Step], ...]
    next_attempt: str


@dataclass(frozen=True, slots=True)
class LoginMails:
    """A login with its newest e-mails, and what can be done about them.

    ``settled``: its owner has a password and needs no e-mail to get in.
    """

    login: PortalLogin
    url: str
    rows: tuple[MailRow, ...]
    more: bool
    settled: bool


async def on_face_sheet(request: web.Request, sheet: FaceSheet) -> list[LoginMails]:
    """The newest e-mails of each of the client's logins."""
    actor = request[VISITOR].actor
    if not sheet.agency.contracted or not allowed(actor, Right.MANAGE_PORTAL_LOGINS):
        return []
    ids = [login.id for login in sheet.logins]
    found = await login_mails.newest(request.app[WORK], actor=actor, login_ids=ids, limit=_ON_THE_FACE_SHEET)
    return [_login_mails(request, sheet, login, found.get(login.id, Newest((), more=False))) for login in sheet.logins]


def _login_mails(request: web.Request, sheet: FaceSheet, login: PortalLogin, newest: Newest) -> LoginMails:
    return LoginMails(
        login,
        _login_url(request, login),
        tuple(_row(mail, sheet.agency.zone) for mail in newest.mails),
        newest.more,
        settled=login.password_state(request.app[CLOCK]()) == "own",
    )


def _login_url(request: web.Request, login: PortalLogin, page: str = "", **query: str) -> str:
    return url(request, f"clients/{login.client_id}/portal-logins/{login.id}{page}", **query)


def _row(mail: Followed, zone: ZoneInfo) -> MailRow:
    delivery = mail.delivery
    after = [_AFTER[step.step] for step in mail.steps if step.step in _AFTER]
    state, tag = after[-1] if after else _STATES.get(delivery.state, (delivery.state, "neutral"))
    waits = delivery.state == "queued" and delivery.tries
    return MailRow(
        _WHAT.get(delivery.mail, delivery.mail.replace("_", " ").capitalize()),
        delivery.recipient,
        log_time(delivery.created_at, zone),
        state,
        tag,
        tuple((log_time(step.at, zone), step) for step in mail.steps),
        log_time(delivery.next_attempt_at, zone) if waits else "",
    )


@for_staff
async def show(request: web.Request) -> web.StreamResponse:
    """All e-mails to a login's owner, newest first."""
    sheet, login = await _found(request)
    before = _before(request)
    found = await login_mails.of_login(
        request.app[WORK], actor=request[VISITOR].actor, login_id=login.id, before=before, limit=_ROWS + 1
    )
    newest = Newest(found[:_ROWS], len(found) > _ROWS)
    older = str(found[_ROWS - 1].delivery.id) if newest.more else None
    return render(
        request,
        "login_emails.html",
        one=_login_mails(request, sheet, login, newest),
        older_url=_login_url(request, login, "/emails", before=older) if older else None,
        newest_url=_login_url(request, login, "/emails") if before else None,
        crumbs=_crumbs(request, sheet, f"E-mails to {login.username}"),
    )


def _before(request: web.Request) -> UUID | None:
    text = request.query.get("before")
    try:
        return UUID(text) if text is not None else None
    except ValueError:
        raise NotFound from None


@for_staff
async def resend(request: web.Request) -> web.StreamResponse:
    """Send the e-mail again, with a new password or link; never instead of one that the owner has chosen."""
    await read_own_form(request, NoFields)
    _, login = await _found(request)
    await portal_logins.resend(
        request.app[WORK],
        request.app[CREDENTIALS],
        actor=request[VISITOR].actor,
        login_id=login.id,
        keep_own_password=True,
    )
    return see_other(url(request, f"clients/{login.client_id}", done="resent"))


@for_staff
async def show_address(request: web.Request) -> web.StreamResponse:
    """The form for another address."""
    sheet, login = await _found(request)
    return _address_page(request, sheet, login, None)


@for_staff
async def correct_address(request: web.Request) -> web.StreamResponse:
    """Take the other address, and send the e-mail there."""
    form = await read_own_form(request, AddressForm)
    sheet, login = await _found(request)
    if form.model is None:
        return _address_page(request, sheet, login, form, status=422)
    try:
        await portal_logins.resend(
            request.app[WORK],
            request.app[CREDENTIALS],
            actor=request[VISITOR].actor,
            login_id=login.id,
            email=form.model.email,
            expected_version=form.model.version,
            keep_own_password=True,
        )
    except (InvalidFields, LoginInactive, PasswordChosen, NotContracted, Changed) as error:
        errors = {found.field: found.message for found in error.errors} or {"": error.message}
        return _address_page(request, sheet, login, Form(form.values, errors, None), status=error.status)
    return see_other(url(request, f"clients/{login.client_id}", done="resent"))


def _address_page(
    request: web.Request, sheet: FaceSheet, login: PortalLogin, form: Form[AddressForm] | None, *, status: int = 200
) -> web.StreamResponse:
    return render(
        request,
        "login_address.html",
        status=status,
        form=form,
        login=login,
        action=_login_url(request, login, "/address"),
        client_url=url(request, f"clients/{sheet.client.id}"),
        crumbs=_crumbs(request, sheet, "Correct the address"),
    )


async def _found(request: web.Request) -> tuple[FaceSheet, PortalLogin]:
    sheet = await face_sheets.read(request.app[WORK], actor=request[VISITOR].actor, client_id=path_id(request))
    wanted = path_id(request, "login")
    login = next((login for login in sheet.logins if login.id == wanted), None)
    if login is None:
        raise NotFound
    return sheet, login


def _crumbs(request: web.Request, sheet: FaceSheet, title: str) -> Crumbs:
    return crumbs_to(
        request,
        admissions(request),
        (FACE_SHEET, url(request, "face-sheet")),
        (sheet.client.name, url(request, f"clients/{sheet.client.id}")),
        (title, None),
    )
