"""What the audit service is told by its environment."""

from __future__ import annotations

from pydantic import Field

from shared.settings import BaseUrl, PostgresUrl, RedisUrl, ServiceSettings


class AuditSettings(ServiceSettings):
    """The audit service's settings. The store may be on another server than the accounts database."""

    public_url: BaseUrl
    database_url: PostgresUrl = Field(repr=False)
    audit_database_url: PostgresUrl | None = Field(None, repr=False)
    redis_url: RedisUrl = Field(repr=False)

    @property
    def store_url(self) -> str:
        """The database that holds the events."""
        return self.audit_database_url or self.database_url
