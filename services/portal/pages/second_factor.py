"""The pages of second factors, in the portal's frame."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from aiohttp import web

from services.portal.keys import VISITOR
from services.portal.pages.visitors import DOOR, agency_of, for_visitors, reader_of
from shared.accounts.access import SessionCookie
from shared.factor_pages import FactorPages
from shared.second_step_pages import SecondStepPages

_FRAME: Final = "portal.html"


def _renew(request: web.Request, cookie: SessionCookie) -> None:
    request[VISITOR] = replace(request[VISITOR], cookie=cookie)


def _no_crumbs(request: web.Request, title: str) -> None:
    """The portal's menu shows all of its pages."""


SECOND_STEP_PAGES: Final = SecondStepPages(DOOR, _FRAME, agency_of)
FACTOR_PAGES: Final = FactorPages(DOOR, _FRAME, for_visitors, reader_of, _renew, _no_crumbs)
