"""What the admin service is told by its environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from shared.clock import system_clock
from shared.deliveries.sealing import Sealer
from shared.security.tokens import Signer
from shared.settings import BaseUrl, ServiceSettings, wrong

ISSUER = "portico_admin"
"""Who signs the tokens of staff: the service's database role, whose own keys alone it may publish."""


def _postgres(value: str) -> str:
    if not value.startswith(("postgresql://", "postgres://")):
        raise wrong("must be a URL such as postgresql://user:password@host:5432/database")
    return value


def _redis(value: str) -> str:
    if not value.startswith(("redis://", "rediss://", "unix://")):
        raise wrong("must be a URL such as redis://:password@host:6379/0")
    return value


def _signing_key(value: str) -> str:
    try:
        Signer(value, ISSUER, system_clock)
    except ValueError:
        raise wrong("must be an Ed25519 private key in PEM (PKCS 8)") from None
    return value


def _sealing_key(value: str) -> str:
    try:
        Sealer(value)
    except ValueError:
        raise wrong("must be 32 bytes in base64") from None
    return value


PostgresUrl = Annotated[str, AfterValidator(_postgres), Field(repr=False)]
RedisUrl = Annotated[str, AfterValidator(_redis), Field(repr=False)]


class AdminSettings(ServiceSettings):
    """The admin service's settings; each secret ``X`` may come from the file that ``X_FILE`` names.

    ``portal_url`` is the public base of the portal: an agency that names no URL of its own is found below it.
    """

    public_url: BaseUrl
    database_url: PostgresUrl
    relay_database_url: PostgresUrl
    redis_url: RedisUrl
    celery_broker_url: RedisUrl
    signing_key: Annotated[str, AfterValidator(_signing_key), Field(repr=False)]
    sealing_public_key: Annotated[str, AfterValidator(_sealing_key)]
    audit_url: BaseUrl
    portal_url: BaseUrl
