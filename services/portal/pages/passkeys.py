"""Signing in with a passkey, and the passkeys of a portal login."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from services.portal.keys import GATE, MAILS, SIGNER, VISITOR, WORK
from services.portal.pages.forms import read_own_form
from services.portal.pages.signing_in import enter, sign_in_page
from services.portal.pages.visitors import DOOR, agency_of, for_visitors, session_cookie, url, way_back
from services.portal.use_cases.passkeys import sign_in, told_by
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
                mails=request.app[MAILS],
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
    return with_retry_after(sign_in_page(request, told, status=error.status, next_path=next_path), error)


@for_visitors
async def show(request: web.Request) -> web.StreamResponse:
    """All passkeys of the login, and a form to add one."""
    return await _page(request, None)


async def _page(request: web.Request, form: Form[Any] | None, status: int = 422) -> web.Response:
    visitor = request[VISITOR]
    context = await passkey_pages.list_context(request, visitor.actor, "portal", visitor.me.agency.zone, form)
    return render(request, "passkeys.html", status=status if form else 200, **context)


@for_visitors
async def begin(request: web.Request) -> web.StreamResponse:
    """After the password: the page whose button has the browser make the passkey."""
    visitor = request[VISITOR]
    form = await read_own_form(request, BeginForm, visitor)
    found = await passkey_pages.begin_adding(request, visitor.actor, "portal", form)
    if isinstance(found, Question):
        return render(request, "new_passkey.html", question=found, name=form.value("name").strip())
    return await _page(request, found)


@for_visitors
async def add(request: web.Request) -> web.StreamResponse:
    """Keep the passkey; the browser gets another cookie."""
    visitor = request[VISITOR]
    form = await read_own_form(request, AddForm, visitor)
    if form.model is None:
        return await _page(request, Form(form.values, {"": "This did not work. Start again."}, None))
    try:
        tell = told_by(request.app[MAILS])
        cookie = await passkey_pages.add(request, visitor.actor, "portal", form.model, tell)
    except (InvalidFields, TooManyPasskeys) as error:
        return await _page(request, refused_whole(form, error), error.status)
    return _go_on(request, cookie, "added")


def _go_on(request: web.Request, cookie: str, done: str) -> web.Response:
    response = see_other(url(request, PAGE, **{done: "1"}))
    session_cookie(request).set(response, cookie)
    return response


@for_visitors
async def show_one(request: web.Request) -> web.StreamResponse:
    """One passkey, to rename or remove it."""
    return await _page_of_one(request, None)


async def _page_of_one(request: web.Request, form: Form[Any] | None) -> web.Response:
    visitor = request[VISITOR]
    found = await own_passkeys.read(request.app[WORK], actor=visitor.actor, kind="portal", passkey_id=path_id(request))
    row = PasskeyRow.of(found, visitor.me.agency.zone)
    return render(request, "passkey.html", status=422 if form else 200, passkey=row, form=form)


@for_visitors
async def rename(request: web.Request) -> web.StreamResponse:
    """Call it something else."""
    visitor = request[VISITOR]
    form = await read_own_form(request, RenameForm, visitor)
    if form.model is None:
        return await _page_of_one(request, form)
    await own_passkeys.rename(
        request.app[WORK], actor=visitor.actor, kind="portal", passkey_id=path_id(request), name=form.model.name
    )
    return see_other(url(request, PAGE, renamed="1"))


@for_visitors
async def remove(request: web.Request) -> web.StreamResponse:
    """Remove it; the browser gets another cookie, and all other sessions end."""
    visitor = request[VISITOR]
    form = await read_own_form(request, RemoveForm, visitor)
    if form.model is None:
        return await _page_of_one(request, form)
    try:
        tell = told_by(request.app[MAILS])
        cookie = await passkey_pages.remove(request, visitor.actor, "portal", path_id(request), form.model, tell)
    except InvalidFields as error:
        return await _page_of_one(request, form.refused(error.errors))
    return _go_on(request, cookie, "removed")
