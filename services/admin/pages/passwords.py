"""Staff choose the first password, change it, get back in without it, and say when a change was not theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from services.admin.keys import MAILS
from services.admin.pages.account import TITLE as ACCOUNT
from services.admin.pages.menus import crumbs_to
from services.admin.pages.signing_in import enter
from services.admin.pages.visitors import DOOR, agency_of, for_staff, reader_of, url
from services.admin.use_cases import passwords
from shared.password_pages import PasswordPages


def _crumbs(request: web.Request) -> Mapping[str, Any]:
    return {"crumbs": crumbs_to(request, (ACCOUNT, url(request, "account")), ("Change Password", None))}


PASSWORD_PAGES: Final = PasswordPages(
    DOOR, passwords, lambda request: request.app[MAILS], agency_of, for_staff, reader_of, enter, _crumbs
)
