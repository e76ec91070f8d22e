"""When the mail server takes no mail from us, nobody asks it again for a while, and operators see why."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from shared.db import Connection, named_queries

SQL = named_queries(__package__, "sql/channels.sql")

PAUSE: Final = timedelta(seconds=60)
"""The first pause. What is wrong for a moment only costs a minute."""
LONGEST_PAUSE: Final = timedelta(minutes=15)
"""Servers count refused sign-ins and lock whoever goes on; four an hour is few, and a repair is found soon enough."""
_FORGET: Final = timedelta(days=3)


class Pauses:
    """Until when nothing is sent, at all or for one agency: rows that all replicas share, so each of them holds still.

    Whether a delivery has to wait is asked where it is claimed.
    """

    def __init__(self, *, first: timedelta = PAUSE, longest: timedelta = LONGEST_PAUSE) -> None:
        self._first = first
        self._longest = longest

    async def begin(
        self, conn: Connection, *, agency_id: UUID | None, now: datetime, code: int | None, reply: str
    ) -> datetime:
        """Send nothing for a while, to anybody or in the name of one agency; answers until when."""
        until: datetime = await conn.fetchval(SQL["pause"], agency_id, now, self._first, self._longest, code, reply)
        return until

    async def end(self, conn: Connection, *, agency_id: UUID) -> None:
        """A mail of this agency was accepted: the next pause is a first one again."""
        await conn.execute(SQL["open"], agency_id)

    async def forget(self, conn: Connection, *, now: datetime) -> None:
        """Drop what was last refused days ago and never tried since."""
        await conn.execute(SQL["forget"], now - _FORGET)

    async def refusing(self, conn: Connection) -> int:
        """How many channels took no mail when they were last asked."""
        count: int = await conn.fetchval(SQL["refusing"])
        return count
