"""The portal, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

import shared.db
from services.portal.api.routes import api_routes
from services.portal.audit_client import AuditClient
from services.portal.keys import AUDIT, FACTORS, HASHER, MAILS, SETTINGS, SIGNER
from services.portal.pages.errors import render_error
from services.portal.pages.routes import page_routes
from services.portal.pages.visitors import page_context
from services.portal.settings import ISSUER, PortalSettings
from services.portal.use_cases.mails import Mails
from services.portal.use_cases.second_factor import factors_of
from shared.accounts_service import BOXES, HTTP, SEALER, AccountsService
from shared.clock import Clock, system_clock
from shared.http.application import create_app
from shared.http.openapi import openapi_routes
from shared.http.pages import setup_pages

_DESCRIPTION: Final = "For the owners of portal logins: sign in, choose and change a password."


def create_portal(settings: PortalSettings, *, clock: Clock = system_clock) -> web.Application:
    """The portal's application; connections are made when it starts."""
    app = create_app(
        public_url=settings.public_url,
        clock=clock,
        trusted_proxies=settings.trusted_proxies,
        unavailable=shared.db.Unavailable,
        render_error=render_error,
    )
    app[SETTINGS] = settings
    AccountsService(settings, ISSUER, "portal").install(app)
    app[MAILS] = Mails(app[SEALER], settings.public_url)
    app.cleanup_ctx.append(_own_parts)
    setup_pages(
        app,
        [("services.portal", "templates")],
        static=[("services.portal", "static")],
        context=page_context,
    )
    app.add_routes([*openapi_routes("Portico client portal", "1", _DESCRIPTION), *api_routes(), *page_routes()])
    return app


@asynccontextmanager
async def _own_parts(app: web.Application) -> AsyncIterator[None]:
    app[AUDIT] = AuditClient(app[HTTP], app[SETTINGS].audit_url, app[SIGNER])
    app[FACTORS] = factors_of(app[BOXES], app[HASHER], app[SIGNER], app[MAILS])
    yield
