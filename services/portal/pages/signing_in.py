"""Signing in and out."""

from __future__ import annotations

from aiohttp import web

from services.portal.keys import GATE, MAILS, SIGNER, WORK
from services.portal.pages.forms import NoFields, SignInForm, read_own_form
from services.portal.pages.visitors import (
    DOOR,
    agency_of,
    session_cookie,
    sign_in_first,
    url,
    visitor_of,
    way_back,
)
from services.portal.use_cases import sessions
from services.portal.use_cases.sign_in import sign_in
from shared.accounts.access import SignedIn
from shared.accounts.passwords import PasswordChangeRequired, TemporaryPasswordExpired
from shared.accounts.second_steps import SecondFactorRequired
from shared.errors import BadCredentials, DomainError
from shared.http.forms import Form, read_form
from shared.http.pages import render, see_other, with_retry_after
from shared.security.throttle import TooManyAttempts

# What a redirect has the sign-in page say; the address carries the key and no words.
_NOTICES = {
    "ended": ("info", "Your session has ended. Sign in again to go on."),
    "signed_out": ("success", "You have signed out."),
    "code_too_late": ("info", "The time for the code is over, or too many codes were wrong. Please sign in again."),
    "too_late": ("info", "The time to choose your password is over, or you chose it already. Please sign in."),
}


async def show(request: web.Request) -> web.StreamResponse:
    """The sign-in page; whoever is signed in already goes home."""
    if await visitor_of(request) is not None:
        return see_other(way_back(request, request.query.get("next")))
    await agency_of(request)
    return sign_in_page(request, next_path=way_back(request, request.query.get("next")))


def sign_in_page(
    request: web.Request, form: Form[SignInForm] | None = None, *, status: int = 200, next_path: str = ""
) -> web.Response:
    """The page with what was typed, but for the password."""
    notice = next((text for key, text in _NOTICES.items() if key in request.query), None)
    response = render(request, "sign_in.html", status=status, form=form, notice=notice, next_path=next_path)
    if form is None and session_cookie(request).read(request) is not None:
        session_cookie(request).delete(response)
    return response


async def submit(request: web.Request) -> web.StreamResponse:
    """Sign in: into the portal, or on to the choice of a password."""
    agency = await agency_of(request)
    form = await read_form(request, SignInForm)
    next_path = way_back(request, form.value("next"))
    if form.model is None:
        return sign_in_page(request, form, status=422, next_path=next_path)
    mails = request.app[MAILS]
    try:
        result = await sign_in(
            request.app[WORK],
            request.app[GATE],
            request.app[SIGNER],
            mails,
            slug=agency.slug,
            username=form.model.username,
            password=form.model.password.get_secret_value(),
            origin=DOOR.origin(request),
            with_cookie=True,
        )
    except (BadCredentials, TemporaryPasswordExpired) as error:
        return _refused(request, form, error, next_path)
    except TooManyAttempts as error:
        return with_retry_after(_refused(request, form, error, next_path), error)
    if isinstance(result, PasswordChangeRequired):
        longer = {"longer": "1"} if result.too_short else {}
        response = see_other(url(request, "choose-password", **longer))
        DOOR.choice_cookie(request).set(response, result.token, max_age=result.expires_in)
        return response
    if isinstance(result, SecondFactorRequired):
        return DOOR.ask_second_factor(request, result, next_path)
    await DOOR.leave(request)
    return enter(request, result, next_path)


def _refused(request: web.Request, form: Form[SignInForm], error: DomainError, next_path: str) -> web.Response:
    told: Form[SignInForm] = Form(form.values, {"": error.message}, None)
    return sign_in_page(request, told, status=error.status, next_path=next_path)


def enter(request: web.Request, result: SignedIn, path: str) -> web.Response:
    """Go on with the session's cookie."""
    response = see_other(path)
    DOOR.admit(request, response, result)
    return response


async def sign_out(request: web.Request) -> web.StreamResponse:
    """End the session. One that has ended already is as good."""
    visitor = await visitor_of(request)
    if visitor is not None:
        await read_own_form(request, NoFields, visitor)
        await sessions.sign_out(request.app[WORK], actor=visitor.actor, session=visitor.session)
    response = see_other(url(request, "sign-in", signed_out="1"))
    session_cookie(request).delete(response)
    return response


async def still_signed_in(request: web.Request) -> web.StreamResponse:
    """204 for the script that asks people whether they want to stay; the question itself counts as a sign of life."""
    if await visitor_of(request) is None:
        return sign_in_first(request)
    return web.Response(status=204)
