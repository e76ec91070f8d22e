"""The link that comes in place of a temporary password."""

from __future__ import annotations

from aiohttp import web

from services.portal.api.bodies import AcceptInvitation
from services.portal.keys import GATE, WORK
from services.portal.use_cases import invitations
from services.portal.use_cases.invitations import InvitationExpired
from shared.accounts.agencies import NotContracted
from shared.doors import origin_of
from shared.http.answers import json_answer
from shared.http.bodies import read_json
from shared.http.openapi import operation
from shared.password_api import TAG, PasswordChangeRequiredOut
from shared.security.throttle import TooManyAttempts


@operation(
    "Open the link in place of a temporary password",
    body=AcceptInvitation,
    answers={200: PasswordChangeRequiredOut},
    problems=(InvitationExpired, NotContracted, TooManyAttempts),
    security=None,
    tag=TAG,
)
async def accept_invitation(request: web.Request) -> web.Response:
    """No session begins; the answer is what `POST /api/v1/password` takes. The link is good until a password is set."""
    body = await read_json(request, AcceptInvitation)
    required = await invitations.accept(
        request.app[WORK], request.app[GATE], token=body.token, origin=origin_of(request)
    )
    return json_answer(PasswordChangeRequiredOut.of(required))
