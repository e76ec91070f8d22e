"""What an agency words itself in the letters to its clients, at the transaction's agency."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from shared.db import Connection, named_queries
from shared.letters.wording import NO_WORDING, Wording

SQL = named_queries(__package__, "sql/mail_wordings.sql")


async def of_agency(conn: Connection) -> Mapping[tuple[str, str], Wording]:
    """All of them, by mail and language."""
    rows = await conn.fetch(SQL["of_agency"])
    return {(r["mail"], r["language"]): Wording(r["subject"], r["opening"], r["closing"]) for r in rows}


async def by_mail(conn: Connection, mail: str, language: str) -> Wording:
    """One of them; empty texts where the agency words nothing itself."""
    row = await conn.fetchrow(SQL["by_mail"], mail, language)
    return Wording(**row) if row else NO_WORDING


async def put(conn: Connection, agency_id: UUID, mail: str, language: str, wording: Wording, now: datetime) -> None:
    """Keep it."""
    await conn.execute(SQL["put"], agency_id, mail, language, wording.subject, wording.opening, wording.closing, now)
