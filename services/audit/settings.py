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
    # After how long unacknowledged entries of another consumer are taken over: three times the worst batch, or more.
    claim_seconds: float = Field(default=60.0, ge=1, le=3600)

    @property
    def store_url(self) -> str:
        """The database that holds the events."""
        return self.audit_database_url or self.database_url
