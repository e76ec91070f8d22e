"""What the JSON APIs of staff and of clients take and give where it is about passwords."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from shared.accounts.passwords import PasswordChangeRequired
from shared.http.fields import Answer, Body, Email, Line, Password, sentence
from shared.session_api import AgencySlug

TAG: Final = "Passwords"

TypedUsername = Annotated[str, Line(64)]
Token = Annotated[str, Field(min_length=1, max_length=300)]


class ChoosePassword(Body):
    """The first password of one's own, after a temporary one."""

    password_change_token: Token
    new_password: Password


class ChangePassword(Body):
    """Another password, by somebody who is signed in."""

    current_password: Password
    new_password: Password


class NewPassword(Body):
    """Either of the two above."""

    password_change_token: Token | None = None
    current_password: Password | None = None
    new_password: Password

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.password_change_token is None) == (self.current_password is None):
            raise sentence("Give either this or current_password.", field="password_change_token")
        return self


class ForgotPassword(Body):
    """Whose password is to be reset. All three must be those of one login."""

    agency: AgencySlug
    username: TypedUsername
    email: Email


class ResetPassword(Body):
    """The code from a reset e-mail, and the password to be."""

    token: Token
    new_password: Password


class Report(Body):
    """The code from an e-mail about a changed password or e-mail address."""

    token: Token


class PasswordChangeRequiredOut(Answer):
    """A temporary password, or a link in place of one, was right.

    No session began, and the token is good for choosing a password, once.
    """

    password_change_required: Literal[True] = True
    password_change_token: str
    expires_in: int

    @classmethod
    def of(cls, required: PasswordChangeRequired) -> PasswordChangeRequiredOut:
        """As the API gives it."""
        return cls(password_change_token=required.token, expires_in=required.expires_in)
