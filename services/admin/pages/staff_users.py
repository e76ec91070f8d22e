"""The agency's staff users, for its admins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from aiohttp import web
from aiohttp.typedefs import Handler

from services.admin.keys import CREDENTIALS, MAILS, VISITOR, WORK
from services.admin.pages.menus import STAFF, Crumbs, administration, crumbs_to
from services.admin.pages.signing_in import NoFields
from services.admin.pages.visitors import for_holders, read_own_form, url
from services.admin.use_cases import staff_users
from services.admin.use_cases.staff_users import LastAgencyAdmin, NewStaffUser, OwnDeactivation, OwnRole, StaffChange
from shared.accounts.staff import StaffUser, StaffUsernameTaken
from shared.actors import Role
from shared.deliveries.store import Delivery
from shared.errors import Changed, FieldError, NotFound
from shared.events.staff_catalogue import ROLE_NAMES
from shared.http.bodies import path_id
from shared.http.fields import Body, Email, PersonName, Username
from shared.http.forms import Form
from shared.http.keys import CLOCK
from shared.http.pages import render, see_other
from shared.http.times import short_time
from shared.rights import Right
from shared.session_pages import rows_of

PAGE: Final = STAFF.page

# What a redirect has the page say; the address carries the key and no words.
_NOTICES: Final[Mapping[str, str]] = {
    "added": "The staff user was added. An e-mail with a temporary password is on its way.",
    "updated": "The staff user was updated.",
    "new-password": "An e-mail with a new temporary password is on its way.",
    "unlocked": "The staff user is not locked any more.",
    "factor-removed": "The second step was removed, and the staff user was signed out everywhere.",
    "signed-out": "The staff user was signed out everywhere.",
}
_MAILS: Final[Mapping[str, str]] = {
    "staff_invitation": "Temporary password",
    "staff_password_reset": "Password reset",
    "staff_password_changed": "Password was changed",
    "staff_email_changed": "E-mail address was changed",
    "staff_second_factor_changed": "Second step was changed",
    "staff_passkey_changed": "Passkey was added or removed",
    "staff_sign_in_refused": "Somebody tried to sign in",
    "email_test": "Test e-mail",
    "wording_test": "Test of an e-mail's wording",
}
_STATES: Final[Mapping[str, str]] = {
    "queued": "Waiting to be sent",
    "sending": "Being sent",
    "accepted": "Sent",
    "failed": "Could not be sent",
    "expired": "Not sent in time",
    "superseded": "Replaced by a newer one",
    "cancelled": "Withdrawn",
}
_for_admins = for_holders(Right.MANAGE_STAFF)


class NewForm(Body):
    """Somebody to invite."""

    username: Username
    display_name: PersonName
    email: Email
    role: Role


class EditForm(Body):
    """What can be changed; ``version`` is the one that the page showed."""

    display_name: PersonName
    email: Email | None = None
    role: Role
    active: bool
    version: int


@dataclass(frozen=True, slots=True)
class Row:
    """A staff user as a line of the table."""

    user: StaffUser
    role: str
    last_sign_in: str
    # What to know at a glance: (words, kind of tag).
    marks: tuple[tuple[str, str], ...]


def _row(request: web.Request, user: StaffUser) -> Row:
    return Row(user, ROLE_NAMES[user.role], _time(request, user.last_sign_in_at), tuple(_marks(request, user)))


def _time(request: web.Request, moment: datetime | None) -> str:
    return short_time(moment, request[VISITOR].agency.zone) if moment else ""


def _marks(request: web.Request, user: StaffUser) -> list[tuple[str, str]]:
    now = request.app[CLOCK]()
    marks = []
    if user.locked(now):
        marks.append(("Locked", "warning"))
    if user.reported_at is not None:
        marks.append(("Reported", "error"))
    state = user.password_state(now)
    if user.active and state == "temporary":
        marks.append(("Invited", "info"))
    elif user.active and state == "temporary_expired":
        marks.append(("Temporary password expired", "warning"))
    return marks


def _crumbs(request: web.Request, *further: tuple[str, str | None]) -> Crumbs:
    return crumbs_to(request, administration(request), (STAFF.label, url(request, PAGE) if further else None), *further)


def _person(request: web.Request, user: StaffUser) -> tuple[str, str]:
    return user.display_name, url(request, f"{PAGE}/{user.id}")


@_for_admins
async def show_all(request: web.Request) -> web.StreamResponse:
    """The table of the agency's staff, by username."""
    after = request.query.get("after")
    found = await staff_users.page(request.app[WORK], actor=request[VISITOR].actor, after=_id(after) if after else None)
    return render(
        request,
        "staff_users.html",
        rows=[_row(request, user) for user in found.users],
        next_url=url(request, PAGE, after=str(found.next_after)) if found.next_after else None,
        first_url=url(request, PAGE) if after else None,
        crumbs=_crumbs(request),
    )


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound from None


@_for_admins
async def show_new(request: web.Request) -> web.StreamResponse:
    """The form for somebody to invite."""
    return _new_page(request, None)


def _new_page(request: web.Request, form: Form[NewForm] | None, *, status: int = 200) -> web.Response:
    crumbs = _crumbs(request, ("Add Staff User", None))
    return render(request, "staff_user_new.html", status=status, form=form, roles=ROLE_NAMES, crumbs=crumbs)


@_for_admins
async def submit_new(request: web.Request) -> web.StreamResponse:
    """Add somebody, who gets an e-mail."""
    form = await read_own_form(request, NewForm)
    if form.model is None:
        return _new_page(request, form, status=422)
    new = NewStaffUser(form.model.username, form.model.display_name, form.model.email, form.model.role)
    try:
        user = await staff_users.create(
            request.app[WORK], request.app[CREDENTIALS], request.app[MAILS], actor=request[VISITOR].actor, new=new
        )
    except StaffUsernameTaken as error:
        return _new_page(request, form.refused(error.errors), status=error.status)
    return see_other(url(request, f"{PAGE}/{user.id}", done="added"))


@_for_admins
async def show(request: web.Request) -> web.StreamResponse:
    """One staff user: what is known, the e-mails, the open sessions, and what can be done."""
    found = await staff_users.file_of(request.app[WORK], actor=request[VISITOR].actor, staff_id=path_id(request))
    user, zone = found.user, request[VISITOR].agency.zone
    return render(
        request,
        "staff_user.html",
        row=_row(request, user),
        person_url=_person(request, user)[1],
        oneself=user.id == request[VISITOR].actor.id,
        locked_until=_time(request, user.locked_until) if user.locked(request.app[CLOCK]()) else "",
        reported_at=_time(request, user.reported_at),
        password_state=user.password_state(request.app[CLOCK]()),
        expires_at=_time(request, user.temporary_password_expires_at),
        mails=[_mail(request, mail) for mail in found.mails],
        sessions=rows_of(found.sessions, zone),
        notice=_NOTICES.get(request.query.get("done", "")),
        crumbs=_crumbs(request, (user.display_name, None)),
    )


def _mail(request: web.Request, mail: Delivery) -> dict[str, Any]:
    # What the mail server said helps whoever has to find out why nothing came.
    last = mail.tries[-1] if mail.tries else None
    told = last.reply if last is not None and mail.state in ("queued", "sending", "failed") else ""
    return {
        "what": _MAILS.get(mail.mail, mail.mail),
        "recipient": mail.recipient,
        "asked": _time(request, mail.created_at),
        "state": _STATES[mail.state],
        "failed": mail.state in ("failed", "expired"),
        "told": told,
    }


@_for_admins
async def show_edit(request: web.Request) -> web.StreamResponse:
    """The form with what is stored."""
    user = await staff_users.read(request.app[WORK], actor=request[VISITOR].actor, staff_id=path_id(request))
    return _edit_page(request, user, None)


def _edit_page(
    request: web.Request, user: StaffUser, form: Form[EditForm] | None, *, status: int = 200, meanwhile: bool = False
) -> web.Response:
    name, person_url = _person(request, user)
    return render(
        request,
        "staff_user_edit.html",
        status=status,
        user=user,
        form=form,
        roles=ROLE_NAMES,
        meanwhile=meanwhile,
        oneself=user.id == request[VISITOR].actor.id,
        person_url=person_url,
        crumbs=_crumbs(request, (name, person_url), ("Edit", None)),
    )


@_for_admins
async def submit_edit(request: web.Request) -> web.StreamResponse:
    """Change what was touched."""
    actor, staff_id = request[VISITOR].actor, path_id(request)
    form = await read_own_form(request, EditForm)
    user = await staff_users.read(request.app[WORK], actor=actor, staff_id=staff_id)
    typed = form.model
    if typed is not None and typed.email is None and user.email is not None:
        form = form.refused([FieldError("email", "Enter an e-mail address.")])
    if typed is None or form.errors:
        return _edit_page(request, user, form, status=422)
    change = StaffChange(
        display_name=_if_other(typed.display_name, user.display_name),
        email=_if_other(typed.email, user.email),
        role=_if_other(typed.role, user.role),
        active=_if_other(typed.active, user.active),
    )
    try:
        await staff_users.update(
            request.app[WORK],
            request.app[CREDENTIALS],
            request.app[MAILS],
            actor=actor,
            staff_id=staff_id,
            change=change,
            expected_version=typed.version,
        )
    except Changed as error:
        return _edit_page(request, user, None, status=error.status, meanwhile=True)
    except (OwnRole, OwnDeactivation, LastAgencyAdmin) as error:
        told = form.refused(error.errors or (FieldError("", error.message),))
        return _edit_page(request, user, told, status=error.status)
    return see_other(url(request, f"{PAGE}/{staff_id}", done="updated"))


def _if_other(typed: Any, stored: Any) -> Any:
    return typed if typed != stored else None


Action = Callable[[web.Request, UUID], Awaitable[object]]


def _button(done: str, act: Action) -> Handler:
    """A button of the page of one staff user."""

    async def press(request: web.Request) -> web.StreamResponse:
        await read_own_form(request, NoFields)
        staff_id = path_id(request)
        await act(request, staff_id)
        return see_other(url(request, f"{PAGE}/{staff_id}", done=done))

    return _for_admins(press)


async def _new_password(request: web.Request, staff_id: UUID) -> None:
    await staff_users.update(
        request.app[WORK],
        request.app[CREDENTIALS],
        request.app[MAILS],
        actor=request[VISITOR].actor,
        staff_id=staff_id,
        change=StaffChange(reset_password=True),
    )


async def _unlock(request: web.Request, staff_id: UUID) -> None:
    await staff_users.unlock(request.app[WORK], actor=request[VISITOR].actor, staff_id=staff_id)


async def _sign_out(request: web.Request, staff_id: UUID) -> None:
    await staff_users.sign_out(request.app[WORK], actor=request[VISITOR].actor, staff_id=staff_id)


new_password: Final = _button("new-password", _new_password)
unlock: Final = _button("unlocked", _unlock)
sign_out: Final = _button("signed-out", _sign_out)
