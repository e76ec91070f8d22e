"""Of whom the agency asks a second factor."""

from __future__ import annotations

from aiohttp import web

from services.admin.api.auth import staff_of
from services.admin.api.bodies import optional
from services.admin.keys import WORK
from services.admin.use_cases import sign_in_rules
from shared.factor_api import TAG
from shared.http.answers import json_answer
from shared.http.bodies import read_json
from shared.http.fields import Answer, Body
from shared.http.openapi import operation


class SignInRulesPatch(Body):
    """What is to be changed; rules that are not named stay as they are."""

    second_factor_of_staff: bool = optional()
    second_factor_of_representatives: bool = optional()


class SignInRulesOut(Answer):
    """Who has to set up a second factor; everybody else may."""

    second_factor_of_staff: bool
    second_factor_of_representatives: bool


@operation("Read the sign-in rules", answers={200: SignInRulesOut}, security="staff", tag=TAG)
async def get_sign_in_rules(request: web.Request) -> web.Response:
    """For an agency's admins."""
    actor = await staff_of(request)
    return json_answer(SignInRulesOut.model_validate(await sign_in_rules.read(request.app[WORK], actor=actor)))


@operation("Change the sign-in rules", body=SignInRulesPatch, answers={200: SignInRulesOut}, security="staff", tag=TAG)
async def update_sign_in_rules(request: web.Request) -> web.Response:
    """They count from each person's next sign-in on; sessions that are open stay open."""
    actor = await staff_of(request)
    body = await read_json(request, SignInRulesPatch)
    changed = await sign_in_rules.change(request.app[WORK], actor=actor, **body.changes())
    return json_answer(SignInRulesOut.model_validate(changed))
