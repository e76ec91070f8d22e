"""Asks the audit service for the Client Action Log of whoever is signed in."""

from __future__ import annotations

import structlog
from aiohttp import ClientError, ClientResponseError, ClientSession, ClientTimeout
from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from shared.actors import Actor
from shared.errors import DomainError
from shared.security.session_limits import SERVICE_TOKEN
from shared.security.tokens import CLIENT, NOBODY, Signer

log = structlog.get_logger("services.portal.audit_client")

TIMEOUT = ClientTimeout(total=5)
"""A person waits for the answer; a log that takes longer is better asked for again."""

RETRY_AFTER_SECONDS = 10


class ActivityUnavailable(DomainError):
    """The Client Action Log can't be shown right now. Please try again in a moment."""

    status = 503

    def __init__(self) -> None:
        super().__init__(retry_after=RETRY_AFTER_SECONDS)


class UnknownCursor(DomainError):
    """These entries can't be found. Start from the newest."""

    status = 422
    field = "cursor"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ActivityItem(_Model):
    """One row of the log, worded by the audit service; ``timestamp`` reads in the agency's time zone."""

    action: str
    description: str
    occurred_at: AwareDatetime
    timestamp: str


class ActivityPage(_Model):
    """A page of rows, newest first; ``next_cursor`` leads to the older ones."""

    items: tuple[ActivityItem, ...]
    next_cursor: str | None = None


class AuditClient:
    """One connection pool to the audit service; every question carries a token minted for the person's session."""

    def __init__(self, http: ClientSession, base_url: str, signer: Signer) -> None:
        self._http = http
        self._url = f"{base_url}/api/v1/activity"
        self._signer = signer

    async def activity(self, *, actor: Actor, cursor: str | None, limit: int) -> ActivityPage:
        """The rows of the actor's own login. Raises ActivityUnavailable, UnknownCursor."""
        token = self._signer.mint(
            CLIENT,
            lifetime=SERVICE_TOKEN,
            subject=actor.id or NOBODY,
            session_id=actor.session_id or NOBODY,
            agency_id=actor.agency_id,
        )
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if actor.request_id:
            headers["X-Request-ID"] = actor.request_id
        query = {"limit": str(limit), **({"cursor": cursor} if cursor else {})}
        try:
            async with self._http.get(self._url, params=query, headers=headers, timeout=TIMEOUT) as response:
                if response.status in {400, 422} and cursor:
                    raise UnknownCursor
                response.raise_for_status()
                return ActivityPage.model_validate_json(await response.read())
        except (ClientError, TimeoutError, OSError, ValidationError) as error:
            # The message would quote the address with its query.
            status = error.status if isinstance(error, ClientResponseError) else None
            log.warning("activity not available", error=type(error).__name__, status=status)
            raise ActivityUnavailable from error
