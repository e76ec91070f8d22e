"""What the audit service is told by its environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from shared.security.key_settings import SigningKey
from shared.settings import BaseUrl, PostgresUrl, RedisUrl, ServiceSettings, wrong


def _appendable(path: Path) -> Path:
    if path.exists():
        fits = path.is_file() and os.access(path, os.R_OK | os.W_OK)
    else:
        fits = path.parent.is_dir() and os.access(path.parent, os.W_OK | os.X_OK)
    if not fits:
        raise wrong("must be the path of a file that can be written, in a folder that is there")
    return path


AppendedFile: TypeAlias = Annotated[Path, AfterValidator(_appendable)]
"""A file that lines are added to; it need not be there yet."""


class AuditSettings(ServiceSettings):
    """The audit service's settings. The store may be on another server than the accounts database.

    ``seal_key`` signs the ends of the hash chains, and each seal is appended to ``seals_file``. Keep what is in that
    file where the owner of the database can't reach it. Without a file the seals are in the database only: an owner
    who rewrites a chain and removes its seals is then found by nothing but the start of the next year's chain.
    """

    public_url: BaseUrl
    database_url: PostgresUrl = Field(repr=False)
    audit_database_url: PostgresUrl | None = Field(None, repr=False)
    redis_url: RedisUrl = Field(repr=False)
    # After how long unacknowledged entries of another consumer are taken over: three times the worst batch, or more.
    claim_seconds: float = Field(default=60.0, ge=1, le=3600)

    seal_key: SigningKey = Field(repr=False)
    seal_seconds: float = Field(default=300.0, ge=0.05, le=3600)
    seals_file: AppendedFile | None = None

    @property
    def store_url(self) -> str:
        """The database that holds the events."""
        return self.audit_database_url or self.database_url
