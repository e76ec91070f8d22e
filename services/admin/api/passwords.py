"""Passwords of staff: the first one, another one, a forgotten one."""

from __future__ import annotations

from aiohttp import web

from services.admin.api.auth import signed_in
from services.admin.keys import GATE, HASHER, MAILS, SIGNER, WORK
from services.admin.use_cases import passwords
from shared.accounts.access import SignedIn
from shared.accounts.passwords import PasswordChangeExpired, ResetExpired
from shared.accounts.reports import ReportExpired
from shared.accounts.second_steps import SecondFactorRequired
from shared.accounts.sessions import PasswordTokenPurpose
from shared.doors import origin_of
from shared.errors import NotSignedIn
from shared.factor_api import SecondFactorRequiredOut, signed_in_answer
from shared.http.answers import no_content
from shared.http.bodies import read_json
from shared.http.openapi import operation
from shared.password_api import (
    TAG,
    ChangePassword,
    ChoosePassword,
    ForgotPassword,
    NewPassword,
    Report,
    ResetPassword,
)
from shared.security.password_rules import PasswordRefused
from shared.security.throttle import TooManyAttempts
from shared.session_api import TokensOut


@operation(
    "Choose or change a password",
    body=ChoosePassword | ChangePassword,
    answers={200: TokensOut | SecondFactorRequiredOut},
    problems=(PasswordRefused, PasswordChangeExpired, NotSignedIn),
    security=None,
    tag=TAG,
)
async def set_password(request: web.Request) -> web.Response:
    """After a temporary password: with the token of that sign-in. Signed in (bearer): with the current password.

    All other sessions end. The answer holds new tokens; a refresh token from before is no good any more. After a
    temporary password no session begins while a second factor is to be shown, or set up.
    """
    body = await read_json(request, NewPassword)
    new_password = body.new_password.get_secret_value()
    if body.password_change_token is not None:
        return signed_in_answer(await _choose(request, body.password_change_token, "temporary", new_password))
    actor, _ = await signed_in(request)
    result = await passwords.change(
        request.app[WORK],
        request.app[HASHER],
        request.app[SIGNER],
        request.app[MAILS],
        actor=actor,
        current_password=body.current_password.get_secret_value() if body.current_password else "",
        new_password=new_password,
        with_cookie=False,
    )
    return signed_in_answer(result)


async def _choose(
    request: web.Request, token: str, purpose: PasswordTokenPurpose, new_password: str
) -> SignedIn | SecondFactorRequired:
    return await passwords.choose(
        request.app[WORK],
        request.app[HASHER],
        request.app[SIGNER],
        request.app[MAILS],
        token=token,
        purpose=purpose,
        new_password=new_password,
        origin=origin_of(request),
        with_cookie=False,
    )


@operation(
    "Ask for a reset e-mail",
    body=ForgotPassword,
    answers={202: None},
    problems=(TooManyAttempts,),
    security=None,
    tag=TAG,
)
async def forgot_password(request: web.Request) -> web.Response:
    """The answer is the same whether or not there is such a staff user, and comes after the same time."""
    body = await read_json(request, ForgotPassword)
    await passwords.forgot(
        request.app[WORK],
        request.app[MAILS],
        request.app[GATE],
        slug=body.agency,
        username=body.username,
        email=body.email,
        origin=origin_of(request),
    )
    return web.Response(status=202)


@operation(
    "Choose a password with a code from a reset e-mail",
    body=ResetPassword,
    answers={200: TokensOut | SecondFactorRequiredOut},
    problems=(PasswordRefused, ResetExpired),
    security=None,
    tag=TAG,
)
async def reset_password(request: web.Request) -> web.Response:
    """All sessions end and one begins. The code stays good while passwords are refused."""
    body = await read_json(request, ResetPassword)
    return signed_in_answer(await _choose(request, body.token, "reset", body.new_password.get_secret_value()))


@operation(
    "Say that somebody else has changed the password",
    body=Report,
    answers={204: None},
    problems=(ReportExpired, TooManyAttempts),
    security=None,
    tag=TAG,
)
async def report(request: web.Request) -> web.Response:
    """All sessions end, and nobody gets in until an agency admin gives a new password."""
    body = await read_json(request, Report)
    await passwords.report(request.app[WORK], request.app[GATE], token=body.token, origin=origin_of(request))
    return no_content()
