"""The pool: an agency in each transaction, nothing left behind on a connection."""

from __future__ import annotations

from uuid import uuid4

import asyncpg
import pytest

from shared.db import Pool, Unavailable, named_queries
from tests.support.databases import Database


async def test_the_agency_is_gone_with_its_transaction(database: Database) -> None:
    pool = await Pool.open(database.url("portico_admin"), size=1)
    try:
        agency = uuid4()
        async with pool.transaction(agency) as conn:
            assert await conn.fetchval("select accounts.current_agency()") == agency
        async with pool.transaction(None) as conn:
            assert await conn.fetchval("select accounts.current_agency()") is None
    finally:
        await pool.close()


async def test_a_statement_commits_by_itself_and_gives_its_turn_back(database: Database) -> None:
    pool = await Pool.open(database.url("portico_notifier"), size=1, acquire_timeout=2)

    async def write_and_fail() -> None:
        async with pool.statement() as conn:
            await conn.execute("insert into mail.channels values ($1, now(), now(), 1, 550, 'no')", uuid4())
            raise LookupError

    try:
        with pytest.raises(LookupError):
            await write_and_fail()
        async with pool.statement() as conn:
            assert await conn.fetchval("select count(*) from mail.channels") == 1
        async with pool.transaction(None) as conn:
            assert await conn.fetchval("select count(*) from mail.channels") == 1
    finally:
        await pool.close()


async def test_a_database_that_is_away_is_unavailable(database: Database) -> None:
    pool = await Pool.open("postgresql://nobody:nothing@127.0.0.1:1/none", size=1, acquire_timeout=2)
    with pytest.raises(Unavailable):
        await pool.check()
    await pool.close()


async def test_every_query_file_parses_and_prepares(database: Database) -> None:
    files = [
        ("shared.accounts", name)
        for name in ("agencies", "staff", "clients", "field_blocks", "portal_logins", "sessions")
    ] + [("shared.deliveries", "deliveries"), ("shared.security", "signing_keys"), ("ops.importing", "import")]
    conn = await asyncpg.connect(database.owner_url)
    try:
        for package, name in files:
            for query in named_queries(package, f"sql/{name}.sql").values():
                await conn.prepare(query)
    finally:
        await conn.close()
