"""Each query of the logs is served by an index in its order, and looks into no partition that it does not need."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.audit.queries import SQL
from shared.db import Pool
from shared.events import lowest_id_at
from tests.support.databases import Database

AGENCY, CLIENT, LOGIN = uuid4(), uuid4(), uuid4()
HIGHEST, LOWEST = UUID(int=2**128 - 1), UUID(int=0)
APRIL, MAY = lowest_id_at(datetime(2026, 4, 1, tzinfo=UTC)), lowest_id_at(datetime(2026, 5, 1, tzinfo=UTC))

# Every 25th event is the agency's, every 50th the client's; some of those are rare, and more so the client's.
_FILL = """
insert into audit.events (id, agency_id, type, version, occurred_at, actor_key, actor_name, client_id, portal_login_id,
    in_activity, change_type, body)
select audit.lowest_id('2026-01-01'::timestamptz + n * interval '10 minutes'),
    case when n % 25 = 0 then $1 else gen_random_uuid() end, 'x', 1, now(),
    case when n % 300 = 0 or n % 100 = 25 then 'staff:rare' else 'staff:busy' end, 'x',
    case when n % 50 = 0 then $2 else gen_random_uuid() end,
    case when n % 50 = 0 then $3 else gen_random_uuid() end,
    true, case when n % 200 = 0 or n % 100 = 25 then 'Rare' else 'Common' end, '{}'
from generate_series(1, 20000) as n
"""


@pytest.fixture
async def full_store(database: Database, store_pool: Pool) -> Pool:
    owner = await asyncpg.connect(database.owner_url)
    try:
        await owner.execute(_FILL, AGENCY, CLIENT, LOGIN)
        await owner.execute("analyze audit.events")
    finally:
        await owner.close()
    return store_pool


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


async def plan_of(pool: Pool, query: str, *values: object) -> list[dict[str, Any]]:
    async with pool.transaction(AGENCY) as conn:
        # For a few hundred rows a sort is as cheap; asked is what serves a client with very many.
        await conn.execute("set local enable_seqscan = off")
        await conn.execute("set local enable_bitmapscan = off")
        await conn.execute("set local enable_sort = off")
        return list(nodes((await conn.fetchval(f"explain (format json) {SQL[query]}", *values))[0]["Plan"]))


CASES = [
    ("activity_of_login", (AGENCY, LOGIN, HIGHEST, 26), {"agency_id", "portal_login_id", "id"}),
    ("activity_of_client", (AGENCY, CLIENT, HIGHEST, 26), {"agency_id", "client_id", "id"}),
    ("changes_of_client", (AGENCY, CLIENT, HIGHEST, LOWEST, None, None, 26), {"agency_id", "client_id", "id"}),
    (
        "changes_of_client",
        (AGENCY, CLIENT, HIGHEST, LOWEST, "Rare", None, 26),
        {"agency_id", "client_id", "change_type", "id"},
    ),
    (
        "changes_of_client",
        (AGENCY, CLIENT, HIGHEST, LOWEST, None, "staff:rare", 26),
        {"agency_id", "client_id", "actor_key", "id"},
    ),
    (
        "changes_of_client",
        (AGENCY, CLIENT, HIGHEST, LOWEST, "Rare", "staff:rare", 26),
        # By either or both, whichever the planner takes for the rarest: but never by those of all clients.
        {"agency_id", "client_id", "id"},
    ),
    ("changes_of_agency", (AGENCY, None, HIGHEST, LOWEST, None, None, 26), {"agency_id", "id"}),
    ("changes_of_agency", (AGENCY, None, HIGHEST, LOWEST, "Rare", None, 26), {"agency_id", "change_type", "id"}),
    ("changes_of_agency", (AGENCY, None, HIGHEST, LOWEST, None, "staff:rare", 26), {"agency_id", "actor_key", "id"}),
    (
        "changes_of_agency",
        (AGENCY, None, HIGHEST, LOWEST, "Rare", "staff:rare", 26),
        {"agency_id", "change_type", "actor_key", "id"},
    ),
]


async def test_every_page_comes_from_an_index_in_its_order(full_store: Pool) -> None:
    for query, values, columns in CASES:
        plan = await plan_of(full_store, query, *values)
        # Partitions are merged by their order, so the first 26 rows end the search: nothing is sorted.
        assert {n["Node Type"] for n in plan} <= {"Limit", "Append", "Merge Append", "Index Scan", "Result"}, query
        [scan] = [n for n in plan if n.get("Relation Name") == "events_2026"]
        assert all(column in scan["Index Cond"] for column in columns), (query, values, scan["Index Name"])


async def test_a_window_of_days_looks_into_its_year_only(full_store: Pool) -> None:
    plan = await plan_of(full_store, "changes_of_client", AGENCY, CLIENT, MAY, APRIL, None, None, 26)
    assert {n["Relation Name"] for n in plan if "Relation Name" in n} == {"events_2026"}
