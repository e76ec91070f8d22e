"""The owners of portal logins sign in."""

from __future__ import annotations

from aiohttp import web

from services.portal.keys import GATE, MAILS, SIGNER, WORK
from services.portal.use_cases.sign_in import sign_in
from shared.accounts.agencies import NotContracted
from shared.accounts.passwords import PasswordChangeRequired, TemporaryPasswordExpired
from shared.doors import origin_of
from shared.errors import BadCredentials
from shared.factor_api import SecondFactorRequiredOut, signed_in_answer
from shared.http.answers import json_answer
from shared.http.bodies import read_json
from shared.http.openapi import operation
from shared.password_api import PasswordChangeRequiredOut
from shared.security.throttle import TooManyAttempts
from shared.session_api import TAG, SignIn, TokensOut


@operation(
    "Sign in",
    body=SignIn,
    answers={200: TokensOut | PasswordChangeRequiredOut | SecondFactorRequiredOut},
    problems=(BadCredentials, TooManyAttempts, TemporaryPasswordExpired, NotContracted),
    security=None,
    tag=TAG,
)
async def create_token(request: web.Request) -> web.Response:
    """With a temporary password no session begins: the answer is a token that is good for choosing a password.

    Neither does one begin while a second factor is to be shown, or set up: the token is good for that.
    """
    body = await read_json(request, SignIn)
    mails = request.app[MAILS]
    result = await sign_in(
        request.app[WORK],
        request.app[GATE],
        request.app[SIGNER],
        mails,
        slug=body.agency,
        username=body.username,
        password=body.password.get_secret_value(),
        origin=origin_of(request),
        with_cookie=False,
    )
    if isinstance(result, PasswordChangeRequired):
        return json_answer(PasswordChangeRequiredOut.of(result))
    return signed_in_answer(result)
