"""The portal's forms, and how a refused password is shown beside its fields."""

from __future__ import annotations

from typing import Annotated, Self, TypeVar

from aiohttp import web
from pydantic import AfterValidator, Field, model_validator

from services.portal.visitor import Visitor
from shared.errors import DomainError
from shared.http.csrf import check_csrf
from shared.http.fields import Body, Email, Line, Password, sentence
from shared.http.forms import Form, read_form

B = TypeVar("B", bound=Body)


def _code(value: str) -> str:
    # Pasted from a mail it may come with line breaks, or as the whole link.
    return "".join(value.split()).rpartition("#")[2].removeprefix("token=")


class SignInForm(Body):
    """Username and password; ``next`` is the page to come back to."""

    username: Annotated[str, Line(64)]
    password: Password
    next: Annotated[str, Field(max_length=1000)] = ""


class NewPasswordForm(Body):
    """A new password, typed twice."""

    new_password: Password
    confirm_password: Password

    @model_validator(mode="after")
    def _twice_the_same(self) -> Self:
        if self.new_password.get_secret_value() != self.confirm_password.get_secret_value():
            raise sentence("This is not the same as the new password.", field="confirm_password")
        return self


class ChangePasswordForm(NewPasswordForm):
    """The same by somebody who is signed in."""

    current_password: Password


class CodeForm(Body):
    """A code from an e-mail."""

    code: Annotated[str, Field(max_length=1000), AfterValidator(_code)]


class ResetForm(NewPasswordForm, CodeForm):
    """A new password with the code from an e-mail."""


class ForgotForm(Body):
    """Whose password was forgotten."""

    username: Annotated[str, Line(64)]
    email: Email


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


def refused(form: Form[B], error: DomainError) -> Form[B]:
    """The form with what a use case has against it, all the reasons for one field in one text."""
    reasons: dict[str, list[str]] = {}
    for found in error.errors:
        reasons.setdefault(found.field, []).append(found.message)
    together = {field: " ".join(messages) for field, messages in reasons.items()}
    return Form(form.values, together, None, form.many, form.csrf_token)
