"""Owners choose the first password, change it, get back in without it or the username, and say what was not theirs."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from services.portal.keys import GATE, MAILS, WORK
from services.portal.pages.forms import ForgotUsernameForm
from services.portal.pages.invitations import choice_context
from services.portal.pages.signing_in import enter
from services.portal.pages.visitors import DOOR, agency_of, for_visitors, reader_of, url
from services.portal.use_cases import passwords, usernames
from shared.doors import origin_of
from shared.http.forms import read_form
from shared.http.pages import render, see_other
from shared.password_pages import PasswordPages

PASSWORD_PAGES: Final = PasswordPages(
    DOOR,
    passwords,
    lambda request: request.app[MAILS],
    agency_of,
    for_visitors,
    reader_of,
    enter,
    # The portal's menu shows all of its pages.
    lambda _: {},
    choice_context,
)


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
