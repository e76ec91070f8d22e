"""Which e-mails an agency has sent to the owners of portal logins."""

from __future__ import annotations

from aiohttp import web

from services.admin.api.auth import staff_of
from services.admin.api.bodies import optional
from services.admin.keys import WORK
from services.admin.use_cases import notices
from services.admin.use_cases.notices import NewLoginsGet
from shared.http.answers import json_answer
from shared.http.bodies import read_json
from shared.http.fields import Answer, Body
from shared.http.openapi import operation

TAG = "E-mail notices"


class NoticesPatch(Body):
    """What is to be changed; what is not named stays as it is."""

    new_device: bool = optional()
    login_inactive: bool = optional()
    new_email: bool = optional()
    new_logins_get: NewLoginsGet = optional()


class NoticesOut(Answer):
    """What is mailed besides what always is (see docs/operating/notices.md), and what a new login is sent."""

    new_device: bool
    login_inactive: bool
    new_email: bool
    new_logins_get: NewLoginsGet


@operation("Read the e-mail notices", answers={200: NoticesOut}, security="staff", tag=TAG)
async def get_notices(request: web.Request) -> web.Response:
    """For an agency's admins."""
    actor = await staff_of(request)
    return json_answer(NoticesOut.model_validate(await notices.read(request.app[WORK], actor=actor)))


@operation("Change the e-mail notices", body=NoticesPatch, answers={200: NoticesOut}, security="staff", tag=TAG)
async def update_notices(request: web.Request) -> web.Response:
    """They count from now on; temporary passwords and links that were sent already stay good."""
    actor = await staff_of(request)
    body = await read_json(request, NoticesPatch)
    changed = await notices.change(request.app[WORK], actor=actor, **body.changes())
    return json_answer(NoticesOut.model_validate(changed))
