"""Signing in and out."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import Field

from services.admin.keys import GATE, MAILS, SIGNER, VISITOR, WORK
from services.admin.pages.single_sign_on import refusal_in_words
from services.admin.pages.visitors import (
    DOOR,
    agency_of,
    read_own_form,
    session_cookie,
    sign_in_first,
    url,
    visitor_of,
    way_back,
)
from services.admin.use_cases import sessions, single_sign_on
from services.admin.use_cases.sign_in import sign_in
from services.admin.use_cases.single_sign_on import Offer
from shared.accounts.access import SignedIn
from shared.accounts.identity_providers import LocalSignInOff
from shared.accounts.passwords import PasswordChangeRequired, TemporaryPasswordExpired
from shared.accounts.second_steps import SecondFactorRequired
from shared.errors import BadCredentials
from shared.http.fields import Body, Line, Password
from shared.http.forms import Form, read_form
from shared.http.pages import render, see_other, with_retry_after
from shared.security.throttle import TooManyAttempts

# What a redirect has the sign-in page say; the address carries the key and no words.
_NOTICES = {
    "ended": ("info", "Your session has ended. Sign in again to go on."),
    "code_too_late": ("info", "The time for the code is over, or too many codes were wrong. Please sign in again."),
    "signed_out": ("success", "You have signed out."),
    "too_late": ("info", "The time to choose your password is over, or you chose it already. Please sign in."),
}


class SignInForm(Body):
    """Username and password; ``next`` is the page to come back to."""

    username: Annotated[str, Line(64)]
    password: Password
    next: Annotated[str, Field(max_length=1000)] = ""


class NoFields(Body):
    """A form that is a button."""


async def show(request: web.Request) -> web.StreamResponse:
    """The sign-in page; whoever is signed in already goes on."""
    next_path = way_back(request, request.query.get("next"))
    if await visitor_of(request) is not None:
        return see_other(next_path)
    return await sign_in_page(request, None, next_path=next_path)


async def sign_in_page(
    request: web.Request, form: Form[SignInForm] | None, *, next_path: str, status: int = 200
) -> web.Response:
    """The page with what was typed, but for the password."""
    offer = await single_sign_on.offer(request.app[WORK], agency=await agency_of(request))
    notice = _notice(request, offer) if form is None else None
    response = render(
        request, "sign_in.html", status=status, form=form, notice=notice, next_path=next_path, offer=offer
    )
    if form is None and session_cookie(request).read(request) is not None:
        session_cookie(request).delete(response)
    return response


def _notice(request: web.Request, offer: Offer) -> tuple[str, str] | None:
    refused = refusal_in_words(request, offer.provider)
    if refused is not None:
        return "error", refused
    if "signed_out" in request.query and offer.provider:
        return (
            "success",
            f"You have signed out here. If you are still signed in at {offer.provider}, sign out there too.",
        )
    return next((text for key, text in _NOTICES.items() if key in request.query), None)


async def submit(request: web.Request) -> web.StreamResponse:
    """Sign in, and go on to where the person was headed."""
    agency = await agency_of(request)
    form = await read_form(request, SignInForm)
    next_path = way_back(request, form.value("next"))
    if form.model is None:
        return await sign_in_page(request, form, status=422, next_path=next_path)
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
        expired = isinstance(error, TemporaryPasswordExpired)
        message = error.message if expired else "The username or password is not right."
        return await _refused(request, form, message, error.status, next_path)
    except (TooManyAttempts, LocalSignInOff) as error:
        return with_retry_after(await _refused(request, form, error.message, error.status, next_path), error)
    return await _onwards(request, result, next_path)


async def _onwards(
    request: web.Request, result: SignedIn | PasswordChangeRequired | SecondFactorRequired, next_path: str
) -> web.Response:
    if isinstance(result, PasswordChangeRequired):
        longer = {"longer": "1"} if result.too_short else {}
        response = see_other(url(request, "choose-password", **longer))
        DOOR.choice_cookie(request).set(response, result.token, max_age=result.expires_in)
        return response
    if isinstance(result, SecondFactorRequired):
        return DOOR.ask_second_factor(request, result, next_path)
    await DOOR.leave(request)
    return enter(request, result, next_path)


async def _refused(
    request: web.Request, form: Form[SignInForm], message: str, status: int, next_path: str
) -> web.Response:
    told: Form[SignInForm] = Form(form.values, {"": message}, None)
    return await sign_in_page(request, told, status=status, next_path=next_path)


def enter(request: web.Request, result: SignedIn, path: str) -> web.Response:
    """Go on with the session's cookie."""
    response = see_other(path)
    DOOR.admit(request, response, result)
    return response


async def sign_out(request: web.Request) -> web.StreamResponse:
    """End the session. One that has ended already is as good."""
    if await visitor_of(request) is not None:
        await read_own_form(request, NoFields)
        visitor = request[VISITOR]
        await sessions.sign_out(request.app[WORK], actor=visitor.actor, session=visitor.session)
    response = see_other(url(request, "sign-in", signed_out="1"))
    session_cookie(request).delete(response)
    return response


async def still_signed_in(request: web.Request) -> web.StreamResponse:
    """204 for the script that asks people whether they want to stay; the question itself counts as a sign of life."""
    if await visitor_of(request) is None:
        return sign_in_first(request)
    return web.Response(status=204)
