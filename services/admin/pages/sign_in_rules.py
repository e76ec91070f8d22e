"""Sign-in Rules: of whom the agency asks a second step."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from services.admin.keys import VISITOR, WORK
from services.admin.pages.menus import SIGN_IN_RULES, administration, crumbs_to
from services.admin.pages.visitors import for_staff, read_own_form, url
from services.admin.use_cases import sign_in_rules
from services.admin.use_cases.sign_in_rules import REPRESENTATIVES_LABEL, STAFF_LABEL
from shared.errors import InvalidFields
from shared.http.fields import Body
from shared.http.pages import render, see_other

_LABELS: Final = {
    "second_factor_of_staff": STAFF_LABEL,
    "second_factor_of_representatives": REPRESENTATIVES_LABEL,
}


class RulesForm(Body):
    """The boxes of the page."""

    second_factor_of_staff: bool
    second_factor_of_representatives: bool


@for_staff
async def show(request: web.Request) -> web.StreamResponse:
    """The rules as they are."""
    rules = await sign_in_rules.read(request.app[WORK], actor=request[VISITOR].actor)
    crumbs = crumbs_to(request, administration(request), (SIGN_IN_RULES.label, None))
    saved = "saved" in request.query
    return render(request, "sign_in_rules.html", rules=rules, labels=_LABELS, saved=saved, crumbs=crumbs)


@for_staff
async def submit(request: web.Request) -> web.StreamResponse:
    """Save them."""
    form = await read_own_form(request, RulesForm)
    if form.model is None:
        raise InvalidFields
    await sign_in_rules.change(request.app[WORK], actor=request[VISITOR].actor, **form.model.changes())
    return see_other(url(request, SIGN_IN_RULES.page, saved="1"))
