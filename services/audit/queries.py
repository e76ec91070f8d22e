"""The two logs, read from the store: keyset paging on the event's id, which is its time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
from pydantic import ValidationError

from services.audit import store
from services.audit.notes import note_of
from shared.actors import Actor
from shared.clock import Clock
from shared.db import Connection, Pool, named_queries
from shared.events import Actor as EventActor
from shared.events import Envelope, Subject, from_json, lowest_id_at
from shared.events.staff_catalogue import LogViewed

# What an entry is made of. `body` holds events of the time before there were chains; an erased one has neither.
_COLUMNS: Final = """id, agency_id, type, version, occurred_at, client_id, case_id, portal_login_id,
    coalesce(event, body::text) as event"""
SQL: Final = {
    name: query.replace("{columns}", _COLUMNS)
    for file in ("sql/logs.sql", "sql/security.sql")
    for name, query in named_queries(__package__, file).items()
}

HIGHEST: Final = UUID(int=2**128 - 1)
"""Above every event's id."""

_LOWEST: Final = UUID(int=0)
_NOT_NAMED: Final = EventActor(kind="system", username="(not named)", name="(not named)")


@dataclass(frozen=True, slots=True)
class Page:
    """Some events, newest first; ``more`` when older ones follow."""

    events: Sequence[Envelope]
    more: bool


@dataclass(frozen=True, slots=True)
class ChangeFilter:
    """What the change log is filtered by. Both dates are days of the agency's zone, and inclusive."""

    change_type: str | None = None
    changed_by: str | None = None
    start_date: date | None = None
    end_date: date | None = None

    def bounds(self, zone: ZoneInfo) -> tuple[UUID, UUID]:
        """Ids from the first inclusive to the second exclusive."""
        return ids_of_days(self.start_date, self.end_date, zone)

    def named(self) -> dict[str, str]:
        """The filters that are set, in words."""
        fields = ("change_type", "changed_by", "start_date", "end_date")
        return {name: str(value) for name in fields if (value := getattr(self, name)) is not None}


def ids_of_days(first: date | None, last: date | None, zone: ZoneInfo) -> tuple[UUID, UUID]:
    """Ids of the days from ``first`` to ``last``, both inclusive: from one id inclusive to another one exclusive."""
    low = lowest_id_at(_midnight(first, zone)) if first else _LOWEST
    if last is None or last == date.max:
        return low, HIGHEST
    return low, lowest_id_at(_midnight(last + timedelta(days=1), zone))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, tzinfo=zone)


class Logs:
    """Reads the logs of one agency at a time; that staff read them is an event itself."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def activity(
        self,
        actor: Actor,
        *,
        portal_login_id: UUID | None,
        client_id: UUID | None,
        before: UUID | None,
        limit: int,
    ) -> Page:
        """The Client Action Log of a login (of ``client_id``), or of all logins of a client."""
        query, key = ("activity_of_login", portal_login_id) if portal_login_id else ("activity_of_client", client_id)
        async with self._pool.transaction(actor.agency_id) as conn:
            rows = await conn.fetch(SQL[query], actor.agency_id, key, before or HIGHEST, limit + 1)
            if actor.kind == "staff" and before is None:
                subject = Subject(client_id=client_id, portal_login_id=portal_login_id)
                await self._note(conn, actor, LogViewed(log="activity"), subject)
        return page_of_rows(rows, limit)

    async def changes(
        self,
        actor: Actor,
        *,
        client_id: UUID | None,
        wanted: ChangeFilter,
        zone: ZoneInfo,
        before: UUID | None,
        limit: int,
    ) -> Page:
        """The Face Sheet Change Log of a client, or of all of the agency's clients."""
        low, high = wanted.bounds(zone)
        query = "changes_of_client" if client_id else "changes_of_agency"
        async with self._pool.transaction(actor.agency_id) as conn:
            rows = await conn.fetch(
                SQL[query],
                actor.agency_id,
                client_id,
                min(before or HIGHEST, high),
                low,
                wanted.change_type,
                wanted.changed_by,
                limit + 1,
            )
            if before is None:
                viewed = LogViewed(log="changes", filters=wanted.named())
                await self._note(conn, actor, viewed, Subject(client_id=client_id))
        return page_of_rows(rows, limit)

    async def filters(self, actor: Actor, client_id: UUID) -> tuple[list[str], list[tuple[str, str]]]:
        """The change types, and the people (key, name), that a client's change log holds."""
        async with self._pool.transaction(actor.agency_id) as conn:
            types = [r["change_type"] for r in await conn.fetch(SQL["change_types"], actor.agency_id, client_id)]
            people = await conn.fetch(SQL["changed_by"], actor.agency_id, client_id)
        by_name = sorted(((r["actor_key"], r["actor_name"]) for r in people), key=lambda p: p[1].casefold())
        return types, by_name

    async def _note(self, conn: Connection, actor: Actor, viewed: LogViewed, subject: Subject) -> None:
        """Store that the log was read, in the transaction that read it: the store is this service's own."""
        await store.append(conn, [note_of(viewed, actor=actor, now=self._clock(), subject=subject)])


def page_of_rows(rows: Sequence[asyncpg.Record], limit: int) -> Page:
    """A page of at most ``limit`` of the rows, which are one more when others follow."""
    return Page([_envelope(r) for r in rows[:limit]], more=len(rows) > limit)


def _envelope(row: asyncpg.Record) -> Envelope:
    """The event as it was published; from its columns alone when it was erased, or says what this version can't read.

    One entry like that must not take the page from the reader.
    """
    if row["event"] is not None:
        try:
            return from_json(row["event"])
        except ValidationError:
            pass
    return Envelope(
        id=row["id"],
        type=row["type"],
        version=row["version"],
        agency_id=row["agency_id"],
        occurred_at=row["occurred_at"],
        actor=_NOT_NAMED,
        subject=Subject(client_id=row["client_id"], case_id=row["case_id"], portal_login_id=row["portal_login_id"]),
        payload={},
        erased=row["event"] is None,
    )
