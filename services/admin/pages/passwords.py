"""Staff choose the first password, change it, get back in without it, and say when a change was not theirs."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from services.admin.keys import GATE, HASHER, MAILS, SIGNER, VISITOR, WORK
from services.admin.pages.account import TITLE as ACCOUNT
from services.admin.pages.menus import crumbs_to
from services.admin.pages.signing_in import enter
from services.admin.pages.visitors import DOOR, agency_of, choice_cookie, for_staff, read_own_form, url
from services.admin.use_cases import passwords
from shared.accounts.access import SignedIn
from shared.accounts.passwords import PasswordChangeExpired, ResetExpired
from shared.accounts.reports import REPORT_PATH, ReportExpired
from shared.accounts.second_steps import SecondFactorRequired
from shared.accounts.sessions import PasswordTokenPurpose
from shared.doors import origin_of
from shared.errors import InvalidFields
from shared.http.csrf import check_csrf, csrf_token
from shared.http.forms import Form, read_form
from shared.http.pages import render, see_other
from shared.password_forms import ChangePasswordForm, CodeForm, ForgotForm, NewPasswordForm, ResetForm, refused
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


@for_staff
async def show_change(request: web.Request) -> web.StreamResponse:
    """The page to change one's password."""
    return await _change_page(request, None, changed="changed" in request.query)


@for_staff
async def submit_change(request: web.Request) -> web.StreamResponse:
    """Change the password; the browser gets another cookie."""
    form = await read_own_form(request, ChangePasswordForm)
    try:
        if form.model is not None:
            result = await passwords.change(
                request.app[WORK],
                request.app[HASHER],
                request.app[SIGNER],
                request.app[MAILS],
                actor=request[VISITOR].actor,
                current_password=form.model.current_password.get_secret_value(),
                new_password=form.model.new_password.get_secret_value(),
                with_cookie=True,
            )
            return enter(request, result, url(request, "change-password", changed="1"))
    except (InvalidFields, PasswordRefused) as error:
        form = refused(form, error)
    return await _change_page(request, form)


async def _change_page(
    request: web.Request, form: Form[ChangePasswordForm] | None, *, changed: bool = False
) -> web.Response:
    least = await passwords.least_of(request.app[WORK], actor=request[VISITOR].actor)
    crumbs = crumbs_to(request, (ACCOUNT, url(request, "account")), ("Change Password", None))
    return _page(
        request,
        "change_password.html",
        form,
        changed=changed,
        crumbs=crumbs,
        rules=rules_for(least),
        least=least,
    )


# A forgotten password


async def show_forgot(request: web.Request) -> web.StreamResponse:
    """The page that asks whose password was forgotten, or says that an e-mail is on its way."""
    await agency_of(request)
    return render(request, "forgot_password.html", form=None, sent="sent" in request.query)


async def submit_forgot(request: web.Request) -> web.StreamResponse:
    """Ask for a reset e-mail; the next page is the same whoever was named."""
    agency = await agency_of(request)
    form = await read_form(request, ForgotForm)
    if form.model is None:
        return render(request, "forgot_password.html", status=422, form=form, sent=False)
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


# A change that was somebody else's


async def show_report(request: web.Request) -> web.StreamResponse:
    """The page behind the link of an e-mail about a changed password. It does nothing by itself either."""
    await agency_of(request)
    return render(request, "not_me.html", form=None, done="done" in request.query)


async def submit_report(request: web.Request) -> web.StreamResponse:
    """Lock the staff user."""
    await agency_of(request)
    form = await read_form(request, CodeForm)
    try:
        if form.model is not None:
            await passwords.report(
                request.app[WORK], request.app[GATE], token=form.model.code, origin=origin_of(request)
            )
            return see_other(url(request, REPORT_PATH, done="1"))
    except ReportExpired as error:
        form = Form(form.values, {"code": error.message}, None)
    return render(request, "not_me.html", status=422, form=form, done=False)
