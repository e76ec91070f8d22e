"""Second factors that people have lost: removed by staff, with a reason that is kept."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web

from services.admin.api.auth import staff_of
from services.admin.keys import CREDENTIALS, MAILS, WORK
from services.admin.use_cases import second_factor
from services.admin.use_cases.second_factor import NothingToReset
from shared.accounts.agencies import NotContracted
from shared.errors import NotFound
from shared.factor_api import TAG
from shared.http.answers import no_content
from shared.http.bodies import path_id, read_json
from shared.http.fields import Body, Line
from shared.http.openapi import operation


class Reset(Body):
    """Why: how it is known that the person at hand is the owner."""

    reason: Annotated[str, Line(200, 3)]


@operation(
    "Remove the second factor of a portal login",
    body=Reset,
    answers={204: None},
    problems=(NotFound, NotContracted, NothingToReset),
    security="staff",
    tag=TAG,
)
async def reset_second_factor_of_login(request: web.Request) -> web.Response:
    """For an owner who has lost it. All sessions end, the password stays good, and the owner is told by e-mail."""
    actor = await staff_of(request)
    body = await read_json(request, Reset)
    await second_factor.reset_of_login(
        request.app[WORK], request.app[CREDENTIALS], actor=actor, login_id=path_id(request), reason=body.reason
    )
    return no_content()


@operation(
    "Remove the second factor of a staff user",
    body=Reset,
    answers={204: None},
    problems=(NotFound, NothingToReset),
    security="staff",
    tag=TAG,
)
async def reset_second_factor_of_staff(request: web.Request) -> web.Response:
    """For somebody who has lost it. All sessions end, the password stays good."""
    actor = await staff_of(request)
    body = await read_json(request, Reset)
    await second_factor.reset_of_staff(
        request.app[WORK], request.app[MAILS], actor=actor, staff_user_id=path_id(request), reason=body.reason
    )
    return no_content()
