"""Who an agency's e-mails are from and through which mail server they go, for its admins."""

from __future__ import annotations

from aiohttp import web

from services.admin.api.auth import staff_of
from services.admin.api.bodies import DeliveryOut
from services.admin.email_settings_fields import EmailSettingsIn
from services.admin.keys import MAILS, SEALER, SETTINGS, WORK
from services.admin.use_cases import email_settings, email_tests
from services.admin.use_cases.email_tests import NoOwnAddress, TooManyTests
from shared.accounts.email_settings import EmailSettings, Security
from shared.errors import Changed
from shared.http.answers import json_answer
from shared.http.bodies import read_json
from shared.http.etags import expected_version
from shared.http.fields import Answer
from shared.http.openapi import operation
from shared.session_api import Nothing, read_nothing

TAG = "E-mail settings"


class EmailSettingsOut(Answer):
    """The settings; the password is in no answer."""

    sender: str | None
    sender_name: str | None
    reply_to: str | None
    host: str | None
    port: int | None
    security: Security | None
    username: str | None
    version: int


def _answer(settings: EmailSettings) -> web.Response:
    return json_answer(EmailSettingsOut.model_validate(settings), etag=settings.version)


@operation("Read the e-mail settings", answers={200: EmailSettingsOut}, security="staff", tag=TAG, etag=True)
async def get_email_settings(request: web.Request) -> web.Response:
    """For agency admins. What is null is left to the operator. A username stands for a password that is kept."""
    actor = await staff_of(request)
    return _answer((await email_settings.read(request.app[WORK], actor=actor)).settings)


@operation(
    "Change the e-mail settings",
    body=EmailSettingsIn,
    answers={200: EmailSettingsOut},
    problems=(Changed,),
    security="staff",
    tag=TAG,
    etag=True,
)
async def put_email_settings(request: web.Request) -> web.Response:
    """For agency admins. They are good for every e-mail that is sent from now on, also for those that wait."""
    actor = await staff_of(request)
    body = await read_json(request, EmailSettingsIn)
    saved = await email_settings.save(
        request.app[WORK],
        request.app[SEALER],
        actor=actor,
        settings=body.settings(),
        password=body.new_password(),
        allowed_networks=request.app[SETTINGS].smtp_allowed_networks,
        expected_version=expected_version(request),
    )
    return _answer(saved)


@operation(
    "Send a test e-mail",
    body=Nothing,
    answers={202: DeliveryOut},
    problems=(NoOwnAddress, TooManyTests),
    security="staff",
    tag=TAG,
)
async def send_email_test(request: web.Request) -> web.Response:
    """For agency admins, to their own address. How it gets on stands among the e-mails to the staff user.

    The body may be left out.
    """
    actor = await staff_of(request)
    await read_nothing(request)
    sent = await email_tests.send(request.app[WORK], request.app[MAILS], actor=actor)
    return json_answer(DeliveryOut.of(sent), status=202)
