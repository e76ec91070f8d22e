"""What the admin service is told by its environment."""

from __future__ import annotations

from pydantic import Field

from shared.security.key_settings import SealingPublicKey, SigningKey
from shared.settings import BaseUrl, PostgresUrl, RedisUrl, ServiceSettings

ISSUER = "portico_admin"
"""Who signs the admin service's tokens: its database role, whose own keys alone it may publish."""


class AdminSettings(ServiceSettings):
    """The admin service's settings; each secret ``X`` may come from the file that ``X_FILE`` names.

    ``portal_url`` is the public base of the portal: an agency that names no URL of its own is found below it.
    """

    public_url: BaseUrl
    database_url: PostgresUrl = Field(repr=False)
    relay_database_url: PostgresUrl = Field(repr=False)
    redis_url: RedisUrl = Field(repr=False)
    celery_broker_url: RedisUrl = Field(repr=False)
    signing_key: SigningKey = Field(repr=False)
    sealing_public_key: SealingPublicKey
    audit_url: BaseUrl
    portal_url: BaseUrl
