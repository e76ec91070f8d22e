"""Who asks: the person behind a token, as the accounts database knows them at this moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog

from shared.actors import Actor, Role
from shared.clock import Clock
from shared.db import Pool, named_queries
from shared.errors import NotFound, NotSignedIn
from shared.security.session_limits import IDLE
from shared.security.tokens import STAFF, Claims

SQL: Final = named_queries(__package__, "sql/access.sql")


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody with a session. ``role`` is a staff user's; ``client_id`` is that of a portal login."""

    kind: Literal["staff", "portal"]
    actor: Actor
    person_id: UUID
    zone: ZoneInfo
    role: Role | None
    client_id: UUID | None

    @property
    def agency_id(self) -> UUID:
        """The agency whose logs they may read."""
        return self.actor.agency_id


class Viewers:
    """Looks people and what belongs to them up, in the accounts database's views."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def behind(self, claims: Claims, *, address: str | None, request_id: str | None) -> Viewer:
        """The person behind a verified token. Raises NotSignedIn when the session is not good any more.

        ``address`` is whoever sent the request; when that is another service, its token says for whom.
        """
        kind: Literal["staff", "portal"] = "staff" if claims.audience == STAFF else "portal"
        now = self._clock()
        async with self._pool.transaction(claims.agency_id) as conn:
            row = await conn.fetchrow(SQL["session"], claims.session_id, claims.subject)
        if row is None or row["kind"] != kind or row["ended_at"] is not None or not row["active"]:
            raise NotSignedIn
        if now >= row["expires_at"] or now - row["last_seen_at"] >= IDLE:
            raise NotSignedIn
        if kind == "portal" and not row["contracted"]:
            raise NotSignedIn
        structlog.contextvars.bind_contextvars(session_id=str(claims.session_id))
        username = row["username"] or row["login_username"]
        actor = Actor(
            agency_id=claims.agency_id,
            kind="staff" if kind == "staff" else "portal_login",
            id=claims.subject,
            username=username,
            name=row["display_name"] or username,
            role=row["role"],
            session_id=claims.session_id,
            address=claims.address or address,
            request_id=request_id,
        )
        return Viewer(kind, actor, claims.subject, ZoneInfo(row["time_zone"]), row["role"], row["client_id"])

    async def called(self, viewer: Viewer, username: str) -> list[str]:
        """The staff user and the portal login with this username, as ``kind:id``; none, one or both."""
        async with self._pool.transaction(viewer.agency_id) as conn:
            return [f"{r['kind']}:{r['id']}" for r in await conn.fetch(SQL["people_called"], username)]

    async def staff(self, viewer: Viewer) -> list[tuple[str, str]]:
        """Username and name of everybody who works or worked for the agency."""
        async with self._pool.transaction(viewer.agency_id) as conn:
            return [(r["username"], r["display_name"]) for r in await conn.fetch(SQL["staff"])]

    async def require_client(self, viewer: Viewer, client_id: UUID) -> None:
        """Raises NotFound unless the viewer's agency has this client."""
        await self._found(viewer, "client_exists", client_id)

    async def client_of_login(self, viewer: Viewer, portal_login_id: UUID) -> UUID:
        """Whose login it is. Raises NotFound."""
        return await self._found(viewer, "client_of_login", portal_login_id)

    async def client_of_case(self, viewer: Viewer, case_id: UUID) -> UUID:
        """Whose case it is. Raises NotFound."""
        return await self._found(viewer, "client_of_case", case_id)

    async def _found(self, viewer: Viewer, query: str, key: UUID) -> UUID:
        async with self._pool.transaction(viewer.agency_id) as conn:
            found: UUID | None = await conn.fetchval(SQL[query], key)
        if found is None:
            raise NotFound
        return found
