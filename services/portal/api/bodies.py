"""What the portal's JSON API takes and gives."""

from __future__ import annotations

from uuid import UUID

from services.portal.use_cases.sessions import Me
from shared.http.fields import Answer, Body, Email
from shared.password_api import Token
from shared.session_api import AgencySlug


class ForgotUsername(Body):
    """Where the username is to be mailed: the address that the login has."""

    agency: AgencySlug
    email: Email


class ConfirmEmail(Body):
    """The code from an e-mail about a changed e-mail address."""

    token: Token


class AcceptInvitation(Body):
    """The code from an e-mail that lets its reader choose the first password."""

    token: Token


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
