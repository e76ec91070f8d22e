"""An agency's chains, followed by hand, and sealed and verified as the product does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from prometheus_client import CollectorRegistry

from services.audit import chain, store
from services.audit.evidence import ExportedSeals
from services.audit.figures import SealFigures
from services.audit.findings import ChainReport
from services.audit.sealing import Sealer
from services.audit.seals import PublicKeys, SealKey
from services.audit.verify import verify
from shared.db import Connection, Pool
from shared.events import lowest_id_at
from shared.security.tokens import new_signing_key
from tests.support.databases import Database

_KEY = SealKey(new_signing_key())

_FACTS = "agency_id version occurred_at actor_key client_id case_id portal_login_id in_activity change_type".split()


async def follow(conn: Connection, agency_id: UUID, year: int) -> int:
    """Go from where the chain begins, or was retired, to its end; answers how many events that were."""
    [end] = await conn.fetch("select * from audit.chains where agency_id = $1 and year = $2", agency_id, year)
    rows = await conn.fetch(
        "select * from audit.events where agency_id = $1 and id >= $2 and id < $3 and seq is not null order by seq",
        agency_id,
        lowest_id_at(datetime(year, 1, 1, tzinfo=UTC)),
        lowest_id_at(datetime(year + 1, 1, 1, tzinfo=UTC)),
    )
    link = end["retired_link"] or chain.start_of(agency_id, year, end["previous_link"])
    for number, row in enumerate(rows, start=end["retired_seq"] + 1):
        link = chain.link_of(link, _leaf(row))
        assert (row["seq"], row["link"]) == (number, link)
    assert (end["seq"], end["link"]) == (end["retired_seq"] + len(rows), link)
    return len(rows)


def _leaf(row: Any) -> bytes:
    digest = row["erased_digest"]
    if digest is None:
        digest = chain.personal_digest(row["salt"], row["actor_name"], row["event"].encode())
    else:
        assert row["event"] is row["salt"] is row["actor_name"] is None
    return chain.leaf_of(chain.facts(event_id=row["id"], type_=row["type"], **{c: row[c] for c in _FACTS}), digest)


async def seal(pool: Pool, now: datetime) -> None:
    """Sign the ends of all chains, under one key."""
    await Sealer(pool, _KEY, None, clock=lambda: now, figures=SealFigures(CollectorRegistry())).round()


async def reports(database: Database, now: datetime) -> list[ChainReport]:
    """What a verification of everything says, given the key of the seals."""
    pool = await store.open_pool(database.owner_url, 2)
    try:
        steps = verify(pool, keys=PublicKeys([_KEY.public_pem]), exported=ExportedSeals([]), now=now)
        found = [step async for step in steps if isinstance(step, ChainReport)]
    finally:
        await pool.close()
    return sorted(found, key=lambda report: report.chain.year)
