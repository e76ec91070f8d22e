"""The pages of second factors, in the frame for staff."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from aiohttp import web

from services.admin.keys import VISITOR
from services.admin.pages.menus import Crumbs, crumbs_to
from services.admin.pages.visitors import DOOR, agency_of, for_staff, reader_of, url
from shared.accounts.access import SessionCookie
from shared.factor_pages import PAGE, TITLE, FactorPages
from shared.second_step_pages import SecondStepPages

_FRAME: Final = "staff.html"


def _renew(request: web.Request, cookie: SessionCookie) -> None:
    request[VISITOR] = replace(request[VISITOR], cookie=cookie)


def _crumbs(request: web.Request, title: str) -> Crumbs:
    if title == TITLE:
        return crumbs_to(request, (TITLE, None))
    return crumbs_to(request, (TITLE, url(request, PAGE)), (title, None))


SECOND_STEP_PAGES: Final = SecondStepPages(DOOR, _FRAME, agency_of)
FACTOR_PAGES: Final = FactorPages(DOOR, _FRAME, for_staff, reader_of, _renew, _crumbs)
