"""Choosing the first password, changing it, and getting back in without it."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from services.portal.keys import GATE, HASHER, MAILS, SIGNER, VISITOR, WORK
from services.portal.pages.forms import ForgotUsernameForm, read_own_form
from services.portal.pages.signing_in import enter
from services.portal.pages.visitors import DOOR, agency_of, choice_cookie, for_visitors, url
from services.portal.use_cases import passwords, usernames
from shared.accounts.access import SignedIn
from shared.accounts.passwords import PasswordChangeExpired, ResetExpired
from shared.accounts.second_steps import SecondFactorRequired
from shared.accounts.sessions import PasswordTokenPurpose
from shared.doors import origin_of
from shared.errors import InvalidFields
from shared.http.csrf import check_csrf, csrf_token
from shared.http.forms import Form, read_form
from shared.http.pages import render, see_other
from shared.password_forms import ChangePasswordForm, ForgotForm, NewPasswordForm, ResetForm, refused
from shared.security.password_rules import LEAST, RULES_FOR_ANYBODY, PasswordRefused, rules_for


def _page(request: web.Request, template: str, form: Form[Any] | None, **context: Any) -> web.Response:
    values = {"rules": RULES_FOR_ANYBODY, "least": LEAST, **context}
    return render(request, template, status=422 if form else 200, form=form, **values)


async def _choose(
    request: web.Request, token: str, purpose: PasswordTokenPurpose, form: NewPasswordForm
) -> web.Response:
    """Set the password and go in, or on to the second step."""
    result: SignedIn | SecondFactorRequired = await passwords.choose(
        request.app[WORK],
        request.app[HASHER],
        request.app[SIGNER],
        request.app[MAILS],
        token=token,
        purpose=purpose,
        new_password=form.new_password.get_secret_value(),
        origin=DOOR.origin(request),
        with_cookie=True,
    )
    home = url(request, welcome="1")
    if isinstance(result, SecondFactorRequired):
        return DOOR.ask_second_factor(request, result, home)
    return enter(request, result, home)


# First password


async def show_choice(request: web.Request) -> web.StreamResponse:
    """The page after a temporary password."""
    await agency_of(request)
    token = choice_cookie(request).read(request)
    if token is None:
        return _too_late(request)
    return await _choice_page(request, token, None)


async def _choice_page(request: web.Request, token: str, form: Form[NewPasswordForm] | None) -> web.Response:
    least = await passwords.least_by_token(request.app[WORK], token=token)
    return _page(
        request,
        "choose_password.html",
        form,
        csrf_token=csrf_token(_secret(token)),
        longer="longer" in request.query,
        rules=rules_for(least),
        least=least,
    )


async def submit_choice(request: web.Request) -> web.StreamResponse:
    """Set the first password of one's own, and go in."""
    await agency_of(request)
    token = choice_cookie(request).read(request)
    if token is None:
        return _too_late(request)
    form = await read_form(request, NewPasswordForm)
    check_csrf(request, form.csrf_token, _secret(token))
    try:
        if form.model is not None:
            response = await _choose(request, token, "temporary", form.model)
            choice_cookie(request).delete(response)
            return response
    except PasswordChangeExpired:
        return _too_late(request)
    except PasswordRefused as error:
        form = refused(form, error)
    return await _choice_page(request, token, form)


def _secret(token: str) -> bytes:
    return token.encode("utf-8", "replace")


def _too_late(request: web.Request) -> web.Response:
    response = see_other(url(request, "sign-in", too_late="1"))
    choice_cookie(request).delete(response)
    return response


# Another password


@for_visitors
async def show_change(request: web.Request) -> web.StreamResponse:
    """The page to change one's password."""
    return await _change_page(request, None, changed="changed" in request.query)


async def _change_page(
    request: web.Request, form: Form[ChangePasswordForm] | None, *, changed: bool = False
) -> web.Response:
    least = await passwords.least_of(request.app[WORK], actor=request[VISITOR].actor)
    return _page(request, "change_password.html", form, changed=changed, rules=rules_for(least), least=least)


@for_visitors
async def submit_change(request: web.Request) -> web.StreamResponse:
    """Change the password; the browser gets another cookie."""
    visitor = request[VISITOR]
    form = await read_own_form(request, ChangePasswordForm, visitor)
    try:
        if form.model is not None:
            result = await passwords.change(
                request.app[WORK],
                request.app[HASHER],
                request.app[SIGNER],
                request.app[MAILS],
                actor=visitor.actor,
                current_password=form.model.current_password.get_secret_value(),
                new_password=form.model.new_password.get_secret_value(),
                with_cookie=True,
            )
            return enter(request, result, url(request, "change-password", changed="1"))
    except (InvalidFields, PasswordRefused) as error:
        form = refused(form, error)
    return await _change_page(request, form)


# A forgotten password


async def show_forgot(request: web.Request) -> web.StreamResponse:
    """The page that asks whose password was forgotten, or says that an e-mail is on its way."""
    await agency_of(request)
    if "sent" in request.query:
        return render(request, "reset_requested.html")
    return render(request, "forgot_password.html", form=None)


async def submit_forgot(request: web.Request) -> web.StreamResponse:
    """Ask for a reset e-mail; the next page is the same whoever was named."""
    agency = await agency_of(request)
    form = await read_form(request, ForgotForm)
    if form.model is None:
        return render(request, "forgot_password.html", status=422, form=form)
    await passwords.forgot(
        request.app[WORK],
        request.app[MAILS],
        request.app[GATE],
        slug=agency.slug,
        username=form.model.username,
        email=form.model.email,
        origin=origin_of(request),
    )
    return see_other(url(request, "forgot-password", sent="1"))


async def show_forgot_username(request: web.Request) -> web.StreamResponse:
    """The page that asks for the address of a forgotten username, or says that an e-mail is on its way."""
    await agency_of(request)
    return render(request, "forgot_username.html", form=None, sent="sent" in request.query)


async def submit_forgot_username(request: web.Request) -> web.StreamResponse:
    """Ask for the username by e-mail; the next page is the same whatever address was given."""
    agency = await agency_of(request)
    form = await read_form(request, ForgotUsernameForm)
    if form.model is None:
        return render(request, "forgot_username.html", status=422, form=form, sent=False)
    await usernames.request(
        request.app[WORK],
        request.app[MAILS],
        request.app[GATE],
        slug=agency.slug,
        email=form.model.email,
        origin=origin_of(request),
    )
    return see_other(url(request, "forgot-username", sent="1"))


async def show_reset(request: web.Request) -> web.StreamResponse:
    """The page behind the link of a reset e-mail. It does nothing by itself: mail scanners open links, too."""
    await agency_of(request)
    return _page(request, "reset_password.html", None)


async def submit_reset(request: web.Request) -> web.StreamResponse:
    """Set a password with a code, and go in."""
    await agency_of(request)
    form = await read_form(request, ResetForm)
    try:
        if form.model is not None:
            return await _choose(request, form.model.code, "reset", form.model)
    except ResetExpired as error:
        form = Form(form.values, {"code": error.message}, None)
    except PasswordRefused as error:
        form = refused(form, error)
    return _page(request, "reset_password.html", form)
