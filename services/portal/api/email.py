"""A changed e-mail address, confirmed by whoever reads the old one."""

from __future__ import annotations

from aiohttp import web

from services.portal.api.bodies import ConfirmEmail
from services.portal.keys import GATE, WORK
from services.portal.use_cases import email_confirmations
from services.portal.use_cases.email_confirmations import EmailConfirmExpired
from shared.accounts.agencies import NotContracted
from shared.doors import origin_of
from shared.http.answers import no_content
from shared.http.bodies import read_json
from shared.http.openapi import operation
from shared.security.throttle import TooManyAttempts


@operation(
    "Confirm a changed e-mail address",
    body=ConfirmEmail,
    answers={204: None},
    problems=(EmailConfirmExpired, NotContracted, TooManyAttempts),
    security=None,
    tag="E-mail address",
)
async def confirm_email(request: web.Request) -> web.Response:
    """With the code from the e-mail to the old address: reset e-mails may go to the new one at once.

    The same code given to `/api/v1/password/report` says that the change was somebody else's, and locks the login.
    """
    body = await read_json(request, ConfirmEmail)
    await email_confirmations.confirm(request.app[WORK], request.app[GATE], token=body.token, origin=origin_of(request))
    return no_content()
