"""Each query of the logs is served by an index in its order, and looks into no partition that it does not need."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from services.audit import store
from services.audit.queries import SQL
from shared.db import Connection, Pool
from shared.events import lowest_id_at, security_labels
from tests.support.databases import Database

AGENCY, CLIENT, LOGIN, STAFF = uuid4(), uuid4(), uuid4(), uuid4()
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

# Events as the Security Log asks for them: most of an agency's are of every day, some are of its staff alone.
_FILL_SECURITY = """
insert into audit.events (id, agency_id, type, version, occurred_at, actor_key, actor_name, client_id, portal_login_id,
    in_activity, change_type, event)
select audit.lowest_id('2026-01-01'::timestamptz + n * interval '10 minutes'),
    case when n % 5 = 0 then $1 else gen_random_uuid() end,
    case when n % 4 = 0 then 'face_sheet.viewed' when n % 4 = 1 then 'portal_session.started'
        when n % 1000 = 10 then 'staff.locked' else 'staff_session.started' end, 1, now(),
    case when n % 4 = 1 then 'portal_login:' || $2::uuid when n % 100 = 15 then 'staff:rare' else 'staff:busy' end, 'x',
    case when n % 4 < 2 then gen_random_uuid() end, case when n % 4 < 2 then $2::uuid end, n % 4 = 1, null,
    format('{"subject":{"staff_user_id":"%s"}}', case when n % 1000 = 10 then $3::uuid else gen_random_uuid() end)
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
        return await explained(conn, SQL[query], *values)


async def explained(conn: Connection, statement: str, *values: object) -> list[dict[str, Any]]:
    # For a few hundred rows a sort is as cheap; asked is what serves a client with very many.
    await conn.execute("set local enable_seqscan = off")
    await conn.execute("set local enable_bitmapscan = off")
    await conn.execute("set local enable_sort = off")
    return list(nodes((await conn.fetchval(f"explain (format json) {statement}", *values))[0]["Plan"]))


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


@pytest.fixture
async def security_store(database: Database, store_pool: Pool) -> Pool:
    owner = await asyncpg.connect(database.owner_url)
    try:
        await owner.execute(_FILL_SECURITY, AGENCY, LOGIN, STAFF)
        await owner.execute("analyze audit.events")
    finally:
        await owner.close()
    return store_pool


TYPES = sorted(security_labels())
SECURITY_CASES = [
    # The newest of each type, then those events by their ids.
    ("security_of_agency", (), "events_security", {"agency_id", "type", "id"}),
    ("security_by_actor", ("staff:rare",), "events_security_by_actor", {"agency_id", "actor_key", "id"}),
    ("security_of_login", (LOGIN,), "portal_login_id", {"agency_id", "portal_login_id", "id"}),
]


async def test_every_page_of_the_security_log_comes_from_an_index_in_its_order(security_store: Pool) -> None:
    for query, person, index, columns in SECURITY_CASES:
        plan = await plan_of(security_store, query, AGENCY, TYPES, HIGHEST, LOWEST, 26, *person)
        scans = [n for n in plan if n.get("Relation Name") == "events_2026"]
        assert {n["Node Type"] for n in scans} <= {"Index Scan", "Index Only Scan"}, query
        [scan] = [n for n in scans if not n["Index Name"].endswith("_pkey")]
        assert all(column in scan["Index Cond"] for column in columns), (query, scan["Index Name"])
        assert index in scan["Index Name"], query


async def test_what_was_done_to_staff_comes_from_an_index_in_its_order(
    database: Database, security_store: Pool
) -> None:
    """The database's function asks as its owner, so its plan is looked at as the owner."""
    pool = await store.open_pool(database.owner_url, 1)
    try:
        async with pool.transaction(AGENCY) as conn:
            body = await conn.fetchval("select prosrc from pg_proc where proname = 'security_of_staff'")
            plan = await explained(conn, body, STAFF, TYPES, HIGHEST, LOWEST, 26)
    finally:
        await pool.close()
    [scan] = [n for n in plan if n.get("Relation Name") == "events_2026"]
    assert "security_of_staff" in scan["Index Name"]
    assert all(column in scan["Index Cond"] for column in ("agency_id", "staff_user_id", "id")), scan["Index Cond"]
    assert not any("Sort" in n["Node Type"] for n in plan)


async def test_a_window_of_days_of_the_security_log_looks_into_its_year_only(security_store: Pool) -> None:
    for query, person, _, _ in SECURITY_CASES[1:]:
        plan = await plan_of(security_store, query, AGENCY, TYPES, MAY, APRIL, 26, *person)
        assert {n["Relation Name"] for n in plan if "Relation Name" in n} == {"events_2026"}, query
    plan = await plan_of(security_store, "security_of_agency", AGENCY, TYPES, MAY, APRIL, 26)
    assert not [n for n in plan if "security" in n.get("Index Name", "") and n["Relation Name"] != "events_2026"]


async def test_what_belongs_to_the_security_log_is_in_its_indexes(store_pool: Pool) -> None:
    async with store_pool.transaction(None) as conn:
        assert await conn.fetch("select t from unnest($1::text[]) as t where audit.everyday(t)", TYPES) == []
