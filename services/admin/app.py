"""The admin service, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

import shared.db
from services.admin.api.routes import api_routes, mail_event_routes
from services.admin.audit_client import AuditClient
from services.admin.keys import (
    AUDIT,
    CREDENTIALS,
    FACTORS,
    HASHER,
    IDENTITY_PROVIDERS,
    MAILS,
    SAMPLES,
    SETTINGS,
    SIGNER,
)
from services.admin.openid.fetching import new_client
from services.admin.openid.providers import IdentityProviders
from services.admin.pages.errors import render_error
from services.admin.pages.routes import page_routes
from services.admin.pages.visitors import page_context
from services.admin.pages.wording import FILTERS
from services.admin.settings import ISSUER, AdminSettings
from services.admin.use_cases.credentials import Credentials
from services.admin.use_cases.mail_wordings import Samples
from services.admin.use_cases.mails import StaffMails
from services.admin.use_cases.second_factor import factors_of
from shared.accounts_service import BOXES, HTTP, SEALER, AccountsService
from shared.clock import Clock, system_clock
from shared.http.application import create_app
from shared.http.keys import CLOCK, PUBLIC_URL
from shared.http.openapi import openapi_routes
from shared.http.pages import setup_pages
from shared.letters import Letters

_DESCRIPTION: Final = "For staff and the systems that work for them: clients, face sheets, portal logins, staff users."


def create_admin(settings: AdminSettings, *, clock: Clock = system_clock) -> web.Application:
    """The admin service's application; connections are made when it starts."""
    app = create_app(
        public_url=settings.public_url,
        clock=clock,
        trusted_proxies=settings.trusted_proxies,
        unavailable=shared.db.Unavailable,
        render_error=render_error,
    )
    app[SETTINGS] = settings
    AccountsService(settings, ISSUER, "staff").install(app)
    app[SAMPLES] = Samples(Letters(), settings.portal_url)
    app[MAILS] = StaffMails(app[SEALER], settings.public_url)
    app.cleanup_ctx.extend((_own_parts, _identity_providers))
    setup_pages(
        app,
        [("services.admin", "templates")],
        filters=FILTERS,
        static=[("services.admin", "static")],
        context=page_context,
    )
    told = mail_event_routes() if settings.mail_events_secret else []
    app.add_routes([*openapi_routes("Portico admin", "1", _DESCRIPTION), *api_routes(), *told, *page_routes()])
    return app


@asynccontextmanager
async def _own_parts(app: web.Application) -> AsyncIterator[None]:
    settings = app[SETTINGS]
    app[CREDENTIALS] = Credentials(app[HASHER], app[SEALER], settings.portal_url)
    app[AUDIT] = AuditClient(app[HTTP], settings.audit_url, app[SIGNER])
    app[FACTORS] = factors_of(app[BOXES], app[HASHER], app[SIGNER], app[MAILS])
    yield


@asynccontextmanager
async def _identity_providers(app: web.Application) -> AsyncIterator[None]:
    async with new_client() as http:
        # Where browsers come over https, a trial with a provider on this very machine is over as well.
        trial = app[PUBLIC_URL].scheme == "http"
        app[IDENTITY_PROVIDERS] = IdentityProviders(http, app[CLOCK], loopback=trial)
        yield
