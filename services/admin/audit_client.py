"""Asks the audit service for the logs, on behalf of whoever is signed in."""

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


class LogUnavailable(DomainError):
    """This log can't be shown right now. Please try again in a moment."""

    status = 503

    def __init__(self) -> None:
        super().__init__(retry_after=RETRY_AFTER_SECONDS)


class ChangeLogUnavailable(LogUnavailable):
    """The Face Sheet Change Log can't be shown right now. Please try again in a moment."""


class SecurityLogUnavailable(LogUnavailable):
    """The Security Log can't be shown right now. Please try again in a moment."""


class UnknownPerson(DomainError):
    """Nobody at your agency has this username."""

    status = 422
    field = "person"


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


class SecurityItem(_Model):
    """One entry of the Security Log, worded by the audit service."""

    event_label: str
    user: str
    description: str
    address: str | None = None
    occurred_at: AwareDatetime


class SecurityPage(_Model):
    """A page of entries, newest first; ``next_cursor`` leads to the older ones."""

    items: tuple[SecurityItem, ...]
    next_cursor: str | None = None


class SecurityFilters(_Model):
    """What the Security Log can be filtered by; ``people`` are staff by username."""

    events: tuple[Choice, ...]
    people: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class WantedSecurity:
    """Which entries of the Security Log; dates are days of the agency's time zone, both inclusive."""

    event: str | None = None
    person: str | None = None
    start_date: date | None = None
    end_date: date | None = None
    cursor: str | None = None

    def query(self) -> dict[str, str]:
        """As the audit service takes it."""
        fields = ("event", "person", "start_date", "end_date", "cursor")
        return {name: str(value) for name in fields if (value := getattr(self, name)) is not None}


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


class _FieldAtFault(_Model):
    field: str


class _Problem(_Model):
    errors: tuple[_FieldAtFault, ...] = ()


class _Refused(Exception):
    """The audit service does not take the question."""

    def __init__(self, problem: _Problem) -> None:
        super().__init__()
        self.fields = {error.field for error in problem.errors}


class _Away(Exception):
    """The audit service does not answer, or not so that it can be read."""


M = TypeVar("M", bound=_Model)


class AuditClient:
    """One connection pool to the audit service; every question carries a token minted for the person's session."""

    def __init__(self, http: ClientSession, base_url: str, signer: Signer) -> None:
        self._http = http
        self._url = f"{base_url}/api/v1"
        self._signer = signer

    async def changes(self, *, actor: Actor, wanted: WantedChanges, limit: int) -> tuple[ChangePage, ChangeFilters]:
        """The entries, and what they can be filtered by. Raises ChangeLogUnavailable, UnknownCursor."""
        return await asyncio.gather(
            self._ask_for_changes(actor, "changes", {**wanted.query(), "limit": str(limit)}, ChangePage),
            self.filters(actor=actor, client_id=wanted.client_id),
        )

    async def filters(self, *, actor: Actor, client_id: UUID) -> ChangeFilters:
        """What a client's log can be filtered by. Raises ChangeLogUnavailable."""
        return await self._ask_for_changes(actor, "changes/filters", {"client_id": str(client_id)}, ChangeFilters)

    async def _ask_for_changes(self, actor: Actor, path: str, query: Mapping[str, str], model: type[M]) -> M:
        try:
            return await self._ask(actor, path, query, model)
        except _Refused as refused:
            raise (UnknownCursor if "cursor" in query else ChangeLogUnavailable) from refused
        except _Away as away:
            raise ChangeLogUnavailable from away

    async def security_log(self, *, actor: Actor, wanted: WantedSecurity, limit: int) -> SecurityPage:
        """The entries. Raises SecurityLogUnavailable, UnknownCursor, UnknownPerson."""
        query = {**wanted.query(), "limit": str(limit)}
        try:
            return await self._ask(actor, "security-log", query, SecurityPage)
        except _Refused as refused:
            if "person" in refused.fields:
                raise UnknownPerson from refused
            raise (UnknownCursor if "cursor" in query else SecurityLogUnavailable) from refused
        except _Away as away:
            raise SecurityLogUnavailable from away

    async def security_filters(self, *, actor: Actor) -> SecurityFilters:
        """What the Security Log can be filtered by. Raises SecurityLogUnavailable."""
        try:
            return await self._ask(actor, "security-log/filters", {}, SecurityFilters)
        except (_Refused, _Away) as away:
            raise SecurityLogUnavailable from away

    async def _ask(self, actor: Actor, path: str, query: Mapping[str, str], model: type[M]) -> M:
        token = self._signer.mint(
            STAFF,
            lifetime=SERVICE_TOKEN,
            subject=actor.id or NOBODY,
            session_id=actor.session_id or NOBODY,
            agency_id=actor.agency_id,
            address=actor.address,
        )
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if actor.request_id:
            headers["X-Request-ID"] = actor.request_id
        url = f"{self._url}/{path}"
        try:
            async with self._http.get(url, params=query, headers=headers, timeout=TIMEOUT) as response:
                body = await response.read()
                if response.status in {400, 422}:
                    raise _Refused(_Problem.model_validate_json(body))
                response.raise_for_status()
                return model.model_validate_json(body)
        except (ClientError, TimeoutError, OSError, ValidationError) as error:
            # The message would quote the address with its query.
            status = error.status if isinstance(error, ClientResponseError) else None
            log.warning("log not available", log=path, error=type(error).__name__, status=status)
            raise _Away from error
