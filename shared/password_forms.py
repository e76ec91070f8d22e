"""The forms about passwords on the pages of staff and of clients, and how a refused one is shown beside its fields."""

from __future__ import annotations

from typing import Annotated, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from shared.errors import DomainError
from shared.http.fields import Body, Email, Line, Password, sentence
from shared.http.forms import Form

B = TypeVar("B", bound=Body)


def _code(value: str) -> str:
    # Pasted from a mail it may come with line breaks, or as the whole link.
    return "".join(value.split()).rpartition("#")[2].removeprefix("token=")


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


def refused(form: Form[B], error: DomainError) -> Form[B]:
    """The form with what a use case has against it, all the reasons for one field in one text."""
    reasons: dict[str, list[str]] = {}
    for found in error.errors:
        reasons.setdefault(found.field, []).append(found.message)
    together = {field: " ".join(messages) for field, messages in reasons.items()}
    return Form(form.values, together, None, form.many, form.csrf_token)
