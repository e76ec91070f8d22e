"""The e-mail settings as the API and the page take them."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, SecretStr

from services.admin.use_cases.email_settings import NewPassword
from shared.accounts.email_settings import EmailSettings, Security
from shared.http.fields import Body, Email, Line

Port = Annotated[int, Field(ge=1, le=65535)]
ServerPassword = Annotated[SecretStr, Field(min_length=1, max_length=1000)]
_KEPT: Final = ("sender", "sender_name", "reply_to", "host", "port", "security", "username")


class EmailSettingsIn(Body):
    """The settings. What is left out or null is the operator's: the mail server, the sender; replies go nowhere then.

    Without ``password`` the one that is there stays, unless host, port or username change. ``plaintext`` is not
    encrypted: passwords and mails can be read on the way, so it goes with no password.
    """

    sender: Email | None = None
    sender_name: Annotated[str, Line(100)] | None = None
    reply_to: Email | None = None
    host: Annotated[str, Line(253)] | None = None
    port: Port | None = None
    security: Security | None = None
    username: Annotated[str, Line(254)] | None = None
    password: ServerPassword | None = None
    remove_password: bool = False

    def settings(self) -> EmailSettings:
        """As the use case takes them."""
        return EmailSettings(**{name: getattr(self, name) for name in _KEPT})

    def new_password(self) -> NewPassword:
        """What becomes of the password."""
        return NewPassword(self.password.get_secret_value() if self.password else None, remove=self.remove_password)
