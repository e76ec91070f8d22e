"""Signing in with a passkey, and a staff user's own passkeys."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from services.admin.keys import GATE, MAILS, SIGNER, VISITOR, WORK
from services.admin.pages.menus import crumbs_to
from services.admin.pages.signing_in import enter, sign_in_page
from services.admin.pages.visitors import (
    DOOR,
    agency_of,
    for_staff,
    read_own_form,
    session_cookie,
    url,
    way_back,
)
from services.admin.use_cases.passkeys import sign_in, told_by
from shared import passkey_pages
from shared.accounts import own_passkeys
from shared.accounts.own_passkeys import TooManyPasskeys
from shared.accounts.passkey_sign_in import Question
from shared.errors import BadCredentials, DomainError, InvalidFields
from shared.http.bodies import path_id
from shared.http.forms import Form, read_form
from shared.http.pages import render, see_other, with_retry_after
from shared.passkey_api import relying_party
from shared.passkey_pages import (
    PAGE,
    REFUSED,
    AddForm,
    BeginForm,
    PasskeyRow,
    PasskeySignInForm,
    RemoveForm,
    RenameForm,
    credential_of,
    refused_whole,
)
from shared.security.throttle import TooManyAttempts

_TITLE = "Your Passkeys"


async def ask(request: web.Request) -> web.StreamResponse:
    """What the script of the sign-in page hands to the browser."""
    await agency_of(request)
    return await passkey_pages.question_for(request, DOOR)


async def submit_sign_in(request: web.Request) -> web.StreamResponse:
    """Sign in with the answer that the script has put into the form."""
    agency = await agency_of(request)
    form = await read_form(request, PasskeySignInForm)
    next_path = way_back(request, form.value("next"))
    error: DomainError = BadCredentials()
    if form.model is not None:
        try:
            result = await sign_in(
                request.app[WORK],
                request.app[GATE],
                request.app[SIGNER],
                relying_party(request),
                slug=agency.slug,
                handle=form.model.handle,
                credential=credential_of(form.model.credential),
                origin=DOOR.origin(request),
                with_cookie=True,
            )
            await DOOR.leave(request)
            response = enter(request, result, next_path)
            # It was the second step as well, if one was waiting.
            DOOR.second_step_cookie(request).delete(response)
            return response
        except (BadCredentials, TooManyAttempts) as refused:
            error = refused
    told: Form[Any] = Form({}, {"": REFUSED if isinstance(error, BadCredentials) else error.message}, None)
    return with_retry_after(await sign_in_page(request, told, status=error.status, next_path=next_path), error)


@for_staff
async def show(request: web.Request) -> web.StreamResponse:
    """All passkeys of the staff user, and a form to add one."""
    return await _page(request, None)


async def _page(request: web.Request, form: Form[Any] | None, status: int = 422) -> web.Response:
    visitor = request[VISITOR]
    context = await passkey_pages.list_context(request, visitor.actor, "staff", visitor.agency.zone, form)
    crumbs = crumbs_to(request, (_TITLE, None))
    return render(request, "passkeys.html", status=status if form else 200, crumbs=crumbs, **context)


@for_staff
async def begin(request: web.Request) -> web.StreamResponse:
    """After the password: the page whose button has the browser make the passkey."""
    form = await read_own_form(request, BeginForm)
    found = await passkey_pages.begin_adding(request, request[VISITOR].actor, "staff", form)
    if isinstance(found, Question):
        crumbs = crumbs_to(request, (_TITLE, url(request, PAGE)), ("New passkey", None))
        name = form.value("name").strip()
        return render(request, "new_passkey.html", question=found, name=name, crumbs=crumbs)
    return await _page(request, found)


@for_staff
async def add(request: web.Request) -> web.StreamResponse:
    """Keep the passkey; the browser gets another cookie."""
    form = await read_own_form(request, AddForm)
    if form.model is None:
        return await _page(request, Form(form.values, {"": "This did not work. Start again."}, None))
    try:
        cookie = await passkey_pages.add(
            request, request[VISITOR].actor, "staff", form.model, told_by(request.app[MAILS])
        )
    except (InvalidFields, TooManyPasskeys) as error:
        return await _page(request, refused_whole(form, error), error.status)
    return _go_on(request, cookie, "added")


def _go_on(request: web.Request, cookie: str, done: str) -> web.Response:
    response = see_other(url(request, PAGE, **{done: "1"}))
    session_cookie(request).set(response, cookie)
    return response


@for_staff
async def show_one(request: web.Request) -> web.StreamResponse:
    """One passkey, to rename or remove it."""
    return await _page_of_one(request, None)


async def _page_of_one(request: web.Request, form: Form[Any] | None) -> web.Response:
    visitor = request[VISITOR]
    found = await own_passkeys.read(request.app[WORK], actor=visitor.actor, kind="staff", passkey_id=path_id(request))
    row = PasskeyRow.of(found, visitor.agency.zone)
    crumbs = crumbs_to(request, (_TITLE, url(request, PAGE)), (row.name, None))
    return render(request, "passkey.html", status=422 if form else 200, passkey=row, form=form, crumbs=crumbs)


@for_staff
async def rename(request: web.Request) -> web.StreamResponse:
    """Call it something else."""
    form = await read_own_form(request, RenameForm)
    if form.model is None:
        return await _page_of_one(request, form)
    actor, passkey_id = request[VISITOR].actor, path_id(request)
    await own_passkeys.rename(request.app[WORK], actor=actor, kind="staff", passkey_id=passkey_id, name=form.model.name)
    return see_other(url(request, PAGE, renamed="1"))


@for_staff
async def remove(request: web.Request) -> web.StreamResponse:
    """Remove it; the browser gets another cookie, and all other sessions end."""
    form = await read_own_form(request, RemoveForm)
    if form.model is None:
        return await _page_of_one(request, form)
    actor = request[VISITOR].actor
    try:
        cookie = await passkey_pages.remove(
            request, actor, "staff", path_id(request), form.model, told_by(request.app[MAILS])
        )
    except InvalidFields as error:
        return await _page_of_one(request, form.refused(error.errors))
    return _go_on(request, cookie, "removed")
