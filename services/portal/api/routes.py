"""The portal's JSON API by address."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from services.portal.api.auth import signed_in
from services.portal.api.bodies import MeOut
from services.portal.api.email import confirm_email
from services.portal.api.invitations import accept_invitation
from services.portal.api.passwords import forgot_password, forgot_username, report, reset_password, set_password
from services.portal.api.tokens import create_token
from services.portal.keys import MAILS, WORK
from services.portal.use_cases import passkeys, sessions
from shared.factor_api import factor_routes
from shared.http.answers import json_answer
from shared.http.openapi import operation
from shared.passkey_api import passkey_routes
from shared.session_api import session_routes


@operation("Who is signed in", answers={200: MeOut}, security="client", tag="Me")
async def me(request: web.Request) -> web.Response:
    """The portal login, the client whose record it shows, and the agency."""
    actor, _ = await signed_in(request)
    return json_answer(MeOut.of(await sessions.me(request.app[WORK], actor=actor)))


def api_routes() -> list[web.RouteDef]:
    """Every address of the API."""
    return [
        web.post("/api/v1/token", create_token),
        *session_routes("portal"),
        *passkey_routes(
            "portal",
            lambda request: partial(passkeys.sign_in, mails=request.app[MAILS]),
            lambda request: passkeys.told_by(request.app[MAILS]),
        ),
        *factor_routes("portal"),
        web.post("/api/v1/password", set_password),
        web.post("/api/v1/password/forgot", forgot_password),
        web.post("/api/v1/password/reset", reset_password),
        web.post("/api/v1/password/report", report),
        web.post("/api/v1/password/invitation", accept_invitation),
        web.post("/api/v1/username/forgot", forgot_username),
        web.post("/api/v1/email/confirm", confirm_email),
        web.get("/api/v1/me", me),
    ]
