"""The page where owners say that a change was not theirs."""

from __future__ import annotations

from aiohttp import web

from services.portal.keys import GATE, WORK
from services.portal.pages.visitors import agency_of, url
from services.portal.use_cases import passwords
from shared.accounts.reports import REPORT_PATH, ReportExpired
from shared.doors import origin_of
from shared.http.forms import Form, read_form
from shared.http.pages import render, see_other
from shared.password_forms import CodeForm


async def show(request: web.Request) -> web.StreamResponse:
    """It does nothing by itself: mail scanners open links, too."""
    await agency_of(request)
    return render(request, "not_me.html", form=None, done="done" in request.query)


async def submit(request: web.Request) -> web.StreamResponse:
    """Lock the login."""
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
