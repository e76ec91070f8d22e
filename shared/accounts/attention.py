"""Portal logins whose owners do not get in by themselves: the password ran out, or no e-mail reaches them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from shared.db import Connection, named_queries

SQL = named_queries(__package__, "sql/attention.sql")

AttentionKind = Literal["expired", "failed"]

COUNTED: Final = 100
"""So many of a kind are counted, and no more: the main menu is opened often."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many logins there are of each kind; ``COUNTED`` stands for that many or more."""

    expired: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of the list ended."""

    since: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class InNeed:
    """A portal login with its client, since when something is wrong, and what the mail server said last.

    ``has_own``: its owner has chosen a password, and only e-mails do not reach them.
    """

    id: UUID
    username: str
    email: str
    client_id: UUID
    first_name: str
    last_name: str
    client_number: str
    has_own: bool
    since: datetime
    outcome: str | None
    reply_code: int | None
    reply: str

    @property
    def place(self) -> Place:
        """Where the list goes on after this one."""
        return Place(self.since, self.id)


async def count(conn: Connection, now: datetime) -> Counts:
    """How many need attention at the transaction's agency."""
    row = await conn.fetchrow(SQL["count"], now, COUNTED)
    return Counts(**row) if row else Counts()


async def logins_of(
    conn: Connection, kind: AttentionKind, *, now: datetime, after: Place | None, limit: int
) -> list[InNeed]:
    """The logins of one kind, the latest first, from ``after`` on."""
    place = (after.since, after.id) if after else (None, None)
    if kind == "expired":
        rows = await conn.fetch(SQL["expired"], now, *place, limit)
    else:
        rows = await conn.fetch(SQL["failed"], *place, limit)
    return [InNeed(**row) for row in rows]
