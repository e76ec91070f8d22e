"""Where an agency's staff sign in, for its admins."""

from __future__ import annotations

from aiohttp import web

from services.admin.api.auth import staff_of
from services.admin.keys import BOXES, IDENTITY_PROVIDERS, WORK
from services.admin.single_sign_on_fields import SingleSignOnIn
from services.admin.use_cases import single_sign_on_settings
from shared.accounts.identity_providers import Claim, IdentityProvider
from shared.errors import Changed, NotFound
from shared.http.answers import json_answer, no_content
from shared.http.bodies import read_json
from shared.http.etags import expected_version
from shared.http.fields import Answer
from shared.http.openapi import operation

TAG = "Single sign-on"


class SingleSignOnOut(Answer):
    """The settings; the client secret is in no answer."""

    name: str
    issuer: str
    client_id: str
    claim: Claim
    local_sign_in: bool
    version: int


def _answer(provider: IdentityProvider) -> web.Response:
    return json_answer(SingleSignOnOut.model_validate(provider), etag=provider.version)


@operation(
    "Read the settings of single sign-on",
    answers={200: SingleSignOnOut},
    problems=(NotFound,),
    security="staff",
    tag=TAG,
    etag=True,
)
async def get_single_sign_on(request: web.Request) -> web.Response:
    """For agency admins. 404 where the agency does not use single sign-on."""
    actor = await staff_of(request)
    provider = await single_sign_on_settings.read(request.app[WORK], actor=actor)
    if provider is None:
        raise NotFound("This agency does not use single sign-on.")
    return _answer(provider)


@operation(
    "Set up or change single sign-on",
    body=SingleSignOnIn,
    answers={200: SingleSignOnOut},
    problems=(Changed,),
    security="staff",
    tag=TAG,
    etag=True,
)
async def put_single_sign_on(request: web.Request) -> web.Response:
    """For agency admins. Sign-ins that are on their way with other settings are over."""
    actor = await staff_of(request)
    body = await read_json(request, SingleSignOnIn)
    provider = await single_sign_on_settings.save(
        request.app[WORK],
        request.app[BOXES],
        request.app[IDENTITY_PROVIDERS],
        actor=actor,
        settings=body.settings(),
        expected_version=expected_version(request),
    )
    return _answer(provider)


@operation(
    "Remove single sign-on", answers={204: None}, problems=(NotFound, Changed), security="staff", tag=TAG, etag=True
)
async def delete_single_sign_on(request: web.Request) -> web.Response:
    """For agency admins. From now on staff sign in with their passwords only."""
    actor = await staff_of(request)
    await single_sign_on_settings.remove(request.app[WORK], actor=actor, expected_version=expected_version(request))
    return no_content()
