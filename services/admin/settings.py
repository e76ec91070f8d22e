"""What the admin service is told by its environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from shared.accounts_service import AccountsServiceSettings
from shared.settings import BaseUrl, Networks

ISSUER = "portico_admin"
"""Who signs the admin service's tokens: its database role, whose own keys alone it may publish."""


class AdminSettings(AccountsServiceSettings):
    """The admin service's settings.

    ``portal_url`` is the public base of the portal: an agency that names no URL of its own is found below it.
    """

    portal_url: BaseUrl
    # Where agencies' own mail servers may be besides public addresses, as the notifier is told.
    smtp_allowed_networks: Networks = ()
    # What the mail provider signs with when it tells of returned e-mails; without it there is no address for that.
    mail_events_secret: Annotated[str | None, Field(min_length=32, max_length=500)] = Field(default=None, repr=False)
