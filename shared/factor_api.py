"""What the JSON APIs of staff and clients share about second factors: at sign-in, and one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal, TypeAlias

from aiohttp import web
from pydantic import Field

from shared.accounts import own_factors, second_steps
from shared.accounts.access import SignedIn
from shared.accounts.agencies import NotContracted
from shared.accounts.own_factors import (
    AppSetUp,
    NoSecondFactor,
    Overview,
    PasswordTooShort,
    SecondFactorNeeded,
    SetUpExpired,
)
from shared.accounts.second_factors import Method
from shared.accounts.second_steps import Entered, SecondFactorExpired, SecondFactorRequired, WrongCode
from shared.accounts.sessions import SessionKind
from shared.accounts_service import FACTORS, GATE, WORK
from shared.doors import by_bearer, origin_of
from shared.errors import NotFound, NotSignedIn
from shared.http.answers import json_answer, no_content
from shared.http.bodies import path_id, read_json
from shared.http.devices import device_of
from shared.http.fields import Answer, Body, Password, Timestamp
from shared.http.openapi import operation
from shared.security.throttle import TooManyAttempts
from shared.session_api import TokensOut

TAG: Final = "Second factor"

_Security: TypeAlias = Literal["staff", "client"]

Code = Annotated[
    str,
    Field(min_length=1, max_length=100, description="Of the app, or a recovery code; spaces and dashes do not matter."),
]
HalfToken = Annotated[str, Field(min_length=1, max_length=300)]


class ShowCode(Body):
    """A half-done sign-in, and a code to go on with it."""

    second_factor_token: HalfToken
    code: Code


class SetUpAtSignIn(Body):
    """A half-done sign-in of somebody who has to set up a second factor first."""

    second_factor_token: HalfToken


class CurrentPassword(Body):
    """The password of whoever is signed in, asked for again."""

    current_password: Password


class AppCode(Body):
    """The first code of an app that is being set up."""

    code: Code


class SecondFactorRequiredOut(Answer):
    """A password was right: no session began, and the token is good for showing a second factor.

    With ``set_up_required`` there is none yet, and the token is good for setting one up. A passkey needs no token: it
    signs in by itself, at ``/api/v1/token/passkey``.
    """

    second_factor_required: Literal[True] = True
    second_factor_token: str
    methods: tuple[Method, ...]
    set_up_required: bool
    expires_in: int

    @classmethod
    def of(cls, required: SecondFactorRequired) -> SecondFactorRequiredOut:
        """As the API gives it."""
        return cls(
            second_factor_token=required.token,
            methods=required.methods,
            set_up_required=not required.methods,
            expires_in=required.expires_in,
        )


class AppSetUpOut(Answer):
    """What an authenticator app needs: the shared secret in base32, and the same as the address in a QR code."""

    secret: str
    uri: str
    expires_in: int

    @classmethod
    def of(cls, set_up: AppSetUp) -> AppSetUpOut:
        """As the API gives it."""
        return cls(secret=set_up.seed, uri=set_up.address, expires_in=set_up.expires_in)


class RecoveryCodesOut(TokensOut):
    """New tokens, and the recovery codes, which are answered this once."""

    recovery_codes: tuple[str, ...]

    @classmethod
    def with_codes(cls, session: SignedIn, codes: Sequence[str]) -> RecoveryCodesOut:
        """As the API gives them."""
        return cls(**TokensOut.of(session.tokens).model_dump(), recovery_codes=tuple(codes))


class DeviceOut(Answer):
    """A browser on which the second factor is not asked for until ``expires_at``."""

    id: str
    device: str
    created_at: Timestamp
    last_used_at: Timestamp
    expires_at: Timestamp


class SecondFactorOut(Answer):
    """One's own second factor. ``required``: the agency asks for one; ``totp_since``: when the app was set up."""

    methods: tuple[Method, ...]
    required: bool
    totp_since: Timestamp | None
    recovery_codes_left: int
    remembered_devices: tuple[DeviceOut, ...]

    @classmethod
    def of(cls, overview: Overview) -> SecondFactorOut:
        """As the API gives it."""
        devices = tuple(
            DeviceOut(
                id=str(device.id),
                device=device_of(device.user_agent),
                created_at=device.created_at,
                last_used_at=device.last_used_at,
                expires_at=device.expires_at,
            )
            for device in overview.devices
        )
        return cls(
            methods=overview.methods,
            required=overview.required,
            totp_since=overview.totp_since,
            recovery_codes_left=overview.recovery_codes_left,
            remembered_devices=devices,
        )


def signed_in_answer(result: SignedIn | SecondFactorRequired) -> web.Response:
    """What a right password comes to."""
    if isinstance(result, SecondFactorRequired):
        return json_answer(SecondFactorRequiredOut.of(result))
    return json_answer(TokensOut.of(result.tokens))


def factor_routes(kind: SessionKind) -> list[web.RouteDef]:
    """The second step of a sign-in, and one's own second factor, for people of one kind."""
    security: _Security = "staff" if kind == "staff" else "client"
    return [
        web.post("/api/v1/token/second-factor", show_code),
        web.post("/api/v1/token/second-factor/totp", set_up_at_sign_in),
        web.post("/api/v1/token/second-factor/totp/confirm", confirm_at_sign_in),
        *_own_routes(kind, security),
        *_own_password_routes(kind, security),
    ]


@operation(
    "Show the second factor",
    body=ShowCode,
    answers={200: TokensOut},
    problems=(WrongCode, SecondFactorExpired, TooManyAttempts, NotContracted),
    security=None,
    tag=TAG,
)
async def show_code(request: web.Request) -> web.Response:
    """Go on with a sign-in whose password was right. Five wrong codes end it; ten wrong ones lock, as passwords do."""
    body = await read_json(request, ShowCode)
    entered = await second_steps.finish(
        request.app[WORK],
        request.app[GATE],
        request.app[FACTORS],
        token=body.second_factor_token,
        code=body.code,
        origin=origin_of(request),
        with_cookie=False,
    )
    return json_answer(TokensOut.of(entered.session.tokens))


@operation(
    "Set up an app because the agency asks for one",
    body=SetUpAtSignIn,
    answers={200: AppSetUpOut},
    problems=(SecondFactorExpired, NotContracted),
    security=None,
    tag=TAG,
)
async def set_up_at_sign_in(request: web.Request) -> web.Response:
    """A fresh shared secret, for a sign-in that was answered with ``set_up_required``."""
    body = await read_json(request, SetUpAtSignIn)
    set_up = await second_steps.begin_set_up(
        request.app[WORK], request.app[FACTORS], token=body.second_factor_token, origin=origin_of(request)
    )
    return json_answer(AppSetUpOut.of(set_up))


@operation(
    "Confirm the app, and sign in",
    body=ShowCode,
    answers={200: RecoveryCodesOut},
    problems=(WrongCode, SecondFactorExpired, SetUpExpired, NotContracted),
    security=None,
    tag=TAG,
)
async def confirm_at_sign_in(request: web.Request) -> web.Response:
    """With a code of the app. The session begins, and the recovery codes are answered once."""
    body = await read_json(request, ShowCode)
    entered: Entered = await second_steps.finish_set_up(
        request.app[WORK],
        request.app[FACTORS],
        token=body.second_factor_token,
        code=body.code,
        origin=origin_of(request),
        with_cookie=False,
    )
    return json_answer(RecoveryCodesOut.with_codes(entered.session, entered.recovery_codes))


def _own_routes(kind: SessionKind, security: _Security) -> list[web.RouteDef]:
    @operation("One's own second factor", answers={200: SecondFactorOut}, security=security, tag=TAG)
    async def get_second_factor(request: web.Request) -> web.Response:
        """What is set up, and the browsers on which it is not asked for."""
        actor, _ = await by_bearer(request, kind)
        found = await own_factors.overview(request.app[WORK], request.app[FACTORS], actor=actor, device=None)
        return json_answer(SecondFactorOut.of(found))

    @operation(
        "Confirm an app",
        body=AppCode,
        answers={200: RecoveryCodesOut},
        problems=(SetUpExpired, NotSignedIn),
        security=security,
        tag=TAG,
    )
    async def confirm_totp(request: web.Request) -> web.Response:
        """Its codes are asked for from now on. All other sessions end; the recovery codes are answered once."""
        actor, _ = await by_bearer(request, kind)
        body = await read_json(request, AppCode)
        changed = await own_factors.confirm(
            request.app[WORK], request.app[FACTORS], actor=actor, code=body.code, with_cookie=False
        )
        return json_answer(RecoveryCodesOut.with_codes(changed.session, changed.recovery_codes))

    @operation("Forget a remembered device", answers={204: None}, problems=(NotFound,), security=security, tag=TAG)
    async def forget_device(request: web.Request) -> web.Response:
        """The second factor is asked for there again."""
        actor, _ = await by_bearer(request, kind)
        await own_factors.forget(request.app[WORK], request.app[FACTORS], actor=actor, device_id=path_id(request))
        return no_content()

    return [
        web.get("/api/v1/second-factor", get_second_factor),
        web.post("/api/v1/second-factor/totp/confirm", confirm_totp),
        web.delete("/api/v1/second-factor/devices/{id}", forget_device),
    ]


def _own_password_routes(kind: SessionKind, security: _Security) -> list[web.RouteDef]:
    @operation(
        "Set up an app",
        body=CurrentPassword,
        answers={200: AppSetUpOut},
        problems=(NotSignedIn,),
        security=security,
        tag=TAG,
    )
    async def begin_totp(request: web.Request) -> web.Response:
        """A shared secret, to be confirmed with a code within fifteen minutes; until then an app from before stays."""
        actor, _ = await by_bearer(request, kind)
        body = await read_json(request, CurrentPassword)
        set_up = await own_factors.begin(
            request.app[WORK],
            request.app[FACTORS],
            actor=actor,
            current_password=body.current_password.get_secret_value(),
        )
        return json_answer(AppSetUpOut.of(set_up))

    @operation(
        "Make new recovery codes",
        body=CurrentPassword,
        answers={200: RecoveryCodesOut},
        problems=(NoSecondFactor, NotSignedIn),
        security=security,
        tag=TAG,
    )
    async def new_recovery_codes(request: web.Request) -> web.Response:
        """Those before are no good any more. All other sessions end."""
        actor, _ = await by_bearer(request, kind)
        body = await read_json(request, CurrentPassword)
        changed = await own_factors.new_codes(
            request.app[WORK],
            request.app[FACTORS],
            actor=actor,
            current_password=body.current_password.get_secret_value(),
            with_cookie=False,
        )
        return json_answer(RecoveryCodesOut.with_codes(changed.session, changed.recovery_codes))

    @operation(
        "Remove the app",
        body=CurrentPassword,
        answers={200: TokensOut},
        problems=(NoSecondFactor, SecondFactorNeeded, PasswordTooShort, NotSignedIn),
        security=security,
        tag=TAG,
    )
    async def remove_totp(request: web.Request) -> web.Response:
        """The password alone signs in from now on. All other sessions end."""
        actor, _ = await by_bearer(request, kind)
        body = await read_json(request, CurrentPassword)
        changed = await own_factors.remove(
            request.app[WORK],
            request.app[FACTORS],
            actor=actor,
            current_password=body.current_password.get_secret_value(),
            with_cookie=False,
        )
        return json_answer(TokensOut.of(changed.session.tokens))

    return [
        web.post("/api/v1/second-factor/totp", begin_totp),
        web.post("/api/v1/second-factor/totp/remove", remove_totp),
        web.post("/api/v1/second-factor/recovery-codes", new_recovery_codes),
    ]
