"""The settings of single sign-on as the API and the page take them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from services.admin.use_cases.single_sign_on_settings import Settings
from shared.accounts.identity_providers import Claim
from shared.http.fields import Body, Line

ButtonName = Annotated[str, Line(60), Field(description="What the button calls the provider.")]
Issuer = Annotated[str, Line(300), Field(description="The provider's address, exactly as it names itself.")]
ClientId = Annotated[str, Line(300)]
ClientSecret = Annotated[SecretStr, Field(min_length=1, max_length=1000)]


class SingleSignOnIn(Body):
    """The settings. Without ``client_secret`` the one that is there stays, unless issuer or client change.

    ``local_sign_in`` is whether staff may sign in with a password as well. It is switched off only by somebody who
    has signed in with these settings.
    """

    name: ButtonName
    issuer: Issuer
    client_id: ClientId
    client_secret: ClientSecret | None = None
    claim: Claim = "preferred_username"
    local_sign_in: bool = True

    def settings(self) -> Settings:
        """As the use case takes them."""
        return Settings(
            name=self.name,
            issuer=self.issuer,
            client_id=self.client_id,
            secret=self.client_secret.get_secret_value() if self.client_secret else None,
            claim=self.claim,
            local_sign_in=self.local_sign_in,
        )
