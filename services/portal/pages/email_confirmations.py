"""The page behind the link of an e-mail about a changed e-mail address."""

from __future__ import annotations

from aiohttp import web

from services.portal.keys import GATE, WORK
from services.portal.pages.visitors import agency_of, url
from services.portal.use_cases import email_confirmations
from services.portal.use_cases.email_confirmations import CONFIRM_PATH, EmailConfirmExpired
from shared.doors import origin_of
from shared.http.forms import Form, read_form
from shared.http.pages import render, see_other
from shared.password_forms import CodeForm


async def show(request: web.Request) -> web.StreamResponse:
    """It does nothing by itself: mail scanners open links, too."""
    await agency_of(request)
    return render(request, "confirm_email.html", form=None, done="done" in request.query)


async def submit(request: web.Request) -> web.StreamResponse:
    """The address is right. The page's other button is the form of a report."""
    await agency_of(request)
    form = await read_form(request, CodeForm)
    try:
        if form.model is not None:
            await email_confirmations.confirm(
                request.app[WORK], request.app[GATE], token=form.model.code, origin=origin_of(request)
            )
            return see_other(url(request, CONFIRM_PATH, done="1"))
    except EmailConfirmExpired as error:
        form = Form(form.values, {"code": error.message}, None)
    return render(request, "confirm_email.html", status=422, form=form, done=False)
