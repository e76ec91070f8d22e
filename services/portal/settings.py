"""What the portal is told by its environment."""

from __future__ import annotations

from shared.accounts_service import AccountsServiceSettings

ISSUER = "portico_portal"
"""Who signs the portal's tokens: its database role, whose own keys alone it may publish."""


class PortalSettings(AccountsServiceSettings):
    """The portal's settings."""
