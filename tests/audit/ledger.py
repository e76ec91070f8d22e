"""An agency's chain to tamper with: events, seals, the owner's SQL, and what a verification finds."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from prometheus_client import CollectorRegistry

from services.audit import chain, store
from services.audit.evidence import ExportedSeals
from services.audit.figures import SealFigures
from services.audit.findings import Chain, ChainReport, Finding
from services.audit.sealing import Sealer, SealsFile
from services.audit.seals import PublicKeys, SealKey
from services.audit.verify import verify
from services.audit.verify_queries import SQL
from shared.db import Pool
from shared.events import Envelope
from shared.security.tokens import new_signing_key
from tests.audit.events import NOON, an_event
from tests.support.clock import FakeClock
from tests.support.databases import Database

KEY = SealKey(new_signing_key())


@dataclass
class Ledger:
    """``folder`` takes the exported seals, ``pool`` is the service's and ``owner`` the owner's."""

    database: Database
    pool: Pool
    owner: Pool
    clock: FakeClock
    folder: Path
    agency: UUID = field(default_factory=uuid4)
    year: int = 2026

    @property
    def export(self) -> Path:
        """Where seals are exported to."""
        return self.folder / "seals.jsonl"

    def sealer(self, *, key: SealKey = KEY, export: bool = True) -> Sealer:
        """One replica's."""
        file = SealsFile(self.export) if export else None
        return Sealer(self.pool, key, file, clock=self.clock, figures=SealFigures(CollectorRegistry()))

    async def seal(self) -> int:
        """A round of sealing, a while after whatever was before."""
        self.clock.advance(minutes=5)
        return await self.sealer().round()

    async def keep(self, *found: Envelope) -> None:
        """Append events."""
        async with self.pool.transaction(None) as conn:
            await store.append(conn, [store.entry_of(e.to_json()) for e in found])

    async def add(self, count: int, *, at: datetime = NOON, agency: UUID | None = None) -> list[UUID]:
        """Append so many events of the agency, a second apart; answers their ids."""
        moments = [at + timedelta(seconds=n) for n in range(count)]
        found = [an_event(agency_id=agency or self.agency, at=moment) for moment in moments]
        await self.keep(*found)
        return [e.id for e in found]

    async def sql(self, statement: str, *values: Any) -> list[Any]:
        """What the owner of the database does. ``{chain}`` stands for the agency's events of the year."""
        low, high = chain_ids(self.year)
        where = f"agency_id = '{self.agency}' and id between '{low}' and '{high}'"
        conn = await asyncpg.connect(self.database.owner_url)
        try:
            rows: list[Any] = await conn.fetch(statement.replace("{chain}", where), *values)
        finally:
            await conn.close()
        return rows

    async def id_at(self, number: int) -> UUID:
        """Which event carries a number."""
        found: UUID = (await self.sql("select id from audit.events where {chain} and seq = $1", number))[0]["id"]
        return found

    async def relink(self, first: int) -> None:
        """Make all links from a number on anew, and the chain's end, as an owner does who knows how."""
        rows = await self.sql(
            f"select id, seq, {SQL['row']} from audit.events where {{chain}} and seq > 0 order by seq"
        )
        link = chain.start_of(self.agency, self.year, None)
        for row in rows:
            if row["seq"] < first:
                link = row["link"]
                continue
            digest = chain.leaf_of(row["facts"], chain_digest(row))
            link = chain.link_of(link, digest)
            await self.sql("update audit.events set link = $1 where id = $2", link, row["id"])
        await self.end(rows[-1]["seq"], link)

    async def link_after(self, link: bytes, event_id: UUID) -> bytes:
        """The link that an event has after this one."""
        [row] = await self.sql(f"select {SQL['row']} from audit.events where id = $1", event_id)
        return chain.link_of(link, chain.leaf_of(row["facts"], chain_digest(row)))

    async def fit(self, number: int) -> None:
        """Give an event the link that it has after the one before it."""
        before = await self.sql("select link from audit.events where {chain} and seq = $1", number - 1)
        link = before[0]["link"] if before else chain.start_of(self.agency, self.year, None)
        event_id = await self.id_at(number)
        made = await self.link_after(link, event_id)
        await self.sql("update audit.events set link = $1 where id = $2", made, event_id)

    async def end(self, seq: int, link: bytes | None = None) -> None:
        """Have the chain's row say that it ends here."""
        if link is None:
            rows = await self.sql("select link from audit.events where {chain} and seq = $1", seq)
            link = rows[0]["link"] if rows else chain.start_of(self.agency, self.year, None)
        await self.sql(
            "update audit.chains set seq = $1, link = $2 where agency_id = $3 and year = $4",
            *(seq, link, self.agency, self.year),
        )

    async def insert(self, number: int | None, *, at: datetime = NOON, **columns: Any) -> UUID:
        """Put a row of one's own into the store."""
        entry = store.entry_of(an_event(agency_id=self.agency, at=at).to_json())
        e = entry.event
        row = {
            "id": e.id,
            "agency_id": self.agency,
            "type": e.type,
            "version": e.version,
            "occurred_at": e.occurred_at,
            "actor_key": e.actor_key,
            "actor_name": e.actor.name,
            "in_activity": False,
            "event": entry.text,
            "salt": b"s" * 16,
            "seq": number,
            "link": b"l" * 32,
        } | columns
        places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
        await self.sql(f"insert into audit.events ({', '.join(row)}) values ({places})", *row.values())
        return e.id

    async def verify(self, *, exported: Sequence[Path] | None = None, **how: Any) -> list[ChainReport]:
        """The reports of a verification, by year."""
        files = exported if exported is not None else [self.export] if self.export.exists() else []
        how = {"keys": PublicKeys([KEY.public_pem]), "now": self.clock(), "agency_id": self.agency} | how
        steps = [step async for step in verify(self.owner, exported=ExportedSeals(files), **how)]
        return sorted((s for s in steps if isinstance(s, ChainReport)), key=lambda r: r.chain.year)

    async def finding(self, **how: Any) -> Finding:
        """The first thing that is wrong with the only chain."""
        [report] = await self.verify(**how)
        assert report.findings, "nothing was found"
        return report.findings[0]


def chain_ids(year: int) -> tuple[UUID, UUID]:
    """The first and the last id of a year."""
    return Chain(UUID(int=0), year).ids


def chain_digest(row: Any) -> bytes:
    """What stands for a row's personal details."""
    return hashlib.sha256(row["personal"]).digest() if row["personal"] is not None else row["erased_digest"]
