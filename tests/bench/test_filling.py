"""A store that is filled for measuring is a store like any other."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ops.bench.filling import Filling, years
from ops.bench.stage import Database, Stage
from services.audit import store
from services.audit.queries import Logs
from shared.actors import Actor
from shared.events import from_json
from shared.events.registry import payload_of

pytestmark = pytest.mark.xdist_group("bench")

ROWS = 3000
FILLING = Filling(ROWS, datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))

_INDEXES = """
select array_agg(definition order by definition) from (
    select regexp_replace(pg_get_indexdef(indexrelid), 'INDEX .* USING', '') as definition
    from pg_index where indrelid = 'audit.{}'::regclass and indisvalid
) d
"""


async def filled(stage: Stage, database: Database) -> None:
    async with stage.steps("filling", 4) as steps:
        await FILLING.load(database, years(2024, 2026), steps)


async def test_events_are_of_the_catalogue_and_lie_in_the_year_of_their_id(stage: Stage) -> None:
    async with stage.database("test_filling") as database:
        await filled(stage, database)
        async with database.owner() as conn:
            rows = await conn.fetch("select event, occurred_at, tableoid::regclass::text as part from audit.events")
    assert len(rows) == ROWS
    assert {row["part"] for row in rows} == {f"audit.events_from_{year}_01" for year in (2024, 2025, 2026)}
    for row in rows:
        event = from_json(row["event"])
        assert payload_of(event) is not None
        assert event.occurred_at == row["occurred_at"]
        assert row["part"] == f"audit.events_from_{event.occurred_at:%Y}_01"


async def test_partitions_have_all_indexes_of_those_that_the_service_makes(stage: Stage) -> None:
    async with stage.database("test_filling") as database:
        await filled(stage, database)
        async with database.owner() as conn:
            await conn.execute("select audit.ensure_partition(2030)")
            made, loaded = [
                await conn.fetchval(_INDEXES.format(table)) for table in ("events_2030", "events_from_2024_01")
            ]
    assert made
    assert made == loaded


async def test_the_busy_and_the_quiet_client_have_their_events_and_read_them(stage: Stage) -> None:
    async with stage.database("test_filling") as database:
        await filled(stage, database)
        async with database.owner() as conn:
            counts = {
                who: await conn.fetchval(
                    "select count(*) from audit.events where agency_id = $1 and client_id = $2", who.agency_id, who.id
                )
                for who in (FILLING.busy, FILLING.quiet)
            }
        pool = await store.open_pool(database.url_of("audit"), 1)
        try:
            logs = Logs(pool, lambda: FILLING.until)
            busy = FILLING.busy
            reader = Actor(busy.agency_id, "portal_login", "cmalek", "cmalek", id=busy.login_id)
            page = await logs.activity(reader, portal_login_id=busy.login_id, client_id=busy.id, before=None, limit=25)
        finally:
            await pool.close()
    assert counts == {FILLING.busy: FILLING.busy.events, FILLING.quiet: FILLING.quiet.events}
    assert (FILLING.busy.events, FILLING.quiet.events) == (1500, 50)
    assert len(page.events) == 25
    assert page.more
