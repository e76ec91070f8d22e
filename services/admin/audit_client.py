"""Asks the audit service for the Face Sheet Change Log, on behalf of whoever is signed in."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TypeVar
from uuid import UUID

import structlog
from aiohttp import ClientError, ClientResponseError, ClientSession, ClientTimeout
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from shared.actors import Actor
from shared.errors import DomainError
from shared.security.session_limits import SERVICE_TOKEN
from shared.security.tokens import NOBODY, STAFF, Signer

log = structlog.get_logger("services.admin.audit_client")

TIMEOUT = ClientTimeout(total=5)
"""A person waits for the answer; a log that takes longer is better asked for again."""

RETRY_AFTER_SECONDS = 10


class ChangeLogUnavailable(DomainError):
    """The Face Sheet Change Log can't be shown right now. Please try again in a moment."""

    status = 503

    def __init__(self) -> None:
        super().__init__(retry_after=RETRY_AFTER_SECONDS)


class UnknownCursor(DomainError):
    """These entries can't be found. Start from the newest."""

    status = 422
    field = "cursor"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ChangedField(_Model):
    """One field with its old and new value; a password has neither."""

    field: str
    old: str | None = None
    new: str | None = None


class ChangeItem(_Model):
    """One entry of the log, worded by the audit service."""

    user: str
    description: str
    lines: tuple[str, ...] = ()
    changes: tuple[ChangedField, ...] = ()
    occurred_at: AwareDatetime


class ChangePage(_Model):
    """A page of entries, newest first; ``next_cursor`` leads to the older ones."""

    items: tuple[ChangeItem, ...]
    next_cursor: str | None = None


class Choice(_Model):
    """A value to filter by, and what people read."""

    value: str
    label: str


class ChangeFilters(_Model):
    """What a client's log can be filtered by."""

    change_types: tuple[Choice, ...]
    changed_by: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class WantedChanges:
    """Which entries of a client's log; dates are days of the agency's time zone, both inclusive."""

    client_id: UUID
    change_type: str | None = None
    changed_by: str | None = None
    start_date: date | None = None
    end_date: date | None = None
    cursor: str | None = None

    def query(self) -> dict[str, str]:
        """As the audit service takes it."""
        fields = ("client_id", "change_type", "changed_by", "start_date", "end_date", "cursor")
        return {name: str(value) for name in fields if (value := getattr(self, name)) is not None}


M = TypeVar("M", bound=_Model)


class AuditClient:
    """One connection pool to the audit service; every question carries a token minted for the person's session."""

    def __init__(self, http: ClientSession, base_url: str, signer: Signer) -> None:
        self._http = http
        self._url = f"{base_url}/api/v1/changes"
        self._signer = signer

    async def changes(self, *, actor: Actor, wanted: WantedChanges, limit: int) -> tuple[ChangePage, ChangeFilters]:
        """The entries, and what they can be filtered by. Raises ChangeLogUnavailable, UnknownCursor."""
        return await asyncio.gather(
            self._ask(actor, "", {**wanted.query(), "limit": str(limit)}, ChangePage),
            self.filters(actor=actor, client_id=wanted.client_id),
        )

    async def filters(self, *, actor: Actor, client_id: UUID) -> ChangeFilters:
        """What a client's log can be filtered by. Raises ChangeLogUnavailable."""
        return await self._ask(actor, "/filters", {"client_id": str(client_id)}, ChangeFilters)

    async def _ask(self, actor: Actor, path: str, query: Mapping[str, str], model: type[M]) -> M:
        token = self._signer.mint(
            STAFF,
            lifetime=SERVICE_TOKEN,
            subject=actor.id or NOBODY,
            session_id=actor.session_id or NOBODY,
            agency_id=actor.agency_id,
        )
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if actor.request_id:
            headers["X-Request-ID"] = actor.request_id
        try:
            async with self._http.get(self._url + path, params=query, headers=headers, timeout=TIMEOUT) as response:
                if response.status in {400, 422} and "cursor" in query:
                    raise UnknownCursor
                response.raise_for_status()
                return model.model_validate_json(await response.read())
        except (ClientError, TimeoutError, OSError, ValidationError) as error:
            # The message would quote the address with its query.
            status = error.status if isinstance(error, ClientResponseError) else None
            log.warning("change log not available", error=type(error).__name__, status=status)
            raise ChangeLogUnavailable from error
