"""What the portal's JSON API takes and gives."""

from __future__ import annotations

from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from services.portal.use_cases.sessions import Me
from services.portal.use_cases.sign_in import PasswordChangeRequired
from shared.http.fields import Answer, Body, Email, Line, Password, sentence
from shared.session_api import AgencySlug

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


class ForgotUsername(Body):
    """Where the username is to be mailed: the address that the login has."""

    agency: AgencySlug
    email: Email


class Report(Body):
    """The code from an e-mail about a changed password or e-mail address."""

    token: Token


class ConfirmEmail(Body):
    """The code from an e-mail about a changed e-mail address."""

    token: Token


class PasswordChangeRequiredOut(Answer):
    """A temporary password was right: no session began, and the token is good for choosing a password, once."""

    password_change_required: Literal[True] = True
    password_change_token: str
    expires_in: int

    @classmethod
    def of(cls, required: PasswordChangeRequired) -> PasswordChangeRequiredOut:
        """As the API gives it."""
        return cls(password_change_token=required.token, expires_in=required.expires_in)


class ClientOut(Answer):
    """Whose record it is."""

    id: UUID
    first_name: str
    last_name: str


class AgencyOut(Answer):
    """Where it is kept."""

    slug: str
    name: str
    time_zone: str


class MeOut(Answer):
    """Whoever is signed in."""

    id: UUID
    username: str
    email: str
    representative: bool
    client: ClientOut
    agency: AgencyOut

    @classmethod
    def of(cls, me: Me) -> MeOut:
        """As the API gives it."""
        return cls(
            id=me.login.id,
            username=me.login.username,
            email=me.login.email,
            representative=me.login.representative,
            client=ClientOut.model_validate(me.client),
            agency=AgencyOut.model_validate(me.agency),
        )
