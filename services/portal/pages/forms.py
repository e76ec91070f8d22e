"""The portal's forms."""

from __future__ import annotations

from typing import Annotated, TypeVar

from aiohttp import web
from pydantic import Field

from services.portal.visitor import Visitor
from shared.http.csrf import check_csrf
from shared.http.fields import Body, Email, Line, Password
from shared.http.forms import Form, read_form

B = TypeVar("B", bound=Body)


class SignInForm(Body):
    """Username and password; ``next`` is the page to come back to."""

    username: Annotated[str, Line(64)]
    password: Password
    next: Annotated[str, Field(max_length=1000)] = ""


class ForgotUsernameForm(Body):
    """Where the username is to be mailed."""

    email: Email


class NoFields(Body):
    """A form that is a button."""


async def read_own_form(request: web.Request, model: type[B], visitor: Visitor) -> Form[B]:
    """The form of somebody who is signed in. Raises StaleForm when it does not belong to this session."""
    form = await read_form(request, model)
    check_csrf(request, form.csrf_token, visitor.cookie.digest)
    return form
