"""Migrations: once each, unchanged afterwards, side by side with other migrators."""

from __future__ import annotations

import asyncio
from importlib import resources

import asyncpg
import pytest

from shared.db import migrations, named_queries, table_indexes
from shared.db.migrations import Migration
from tests.support.databases import ACCOUNTS_PACKAGES, Database


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> list[Migration]:
    """Migrations that the packages have besides their files."""
    real, extra = migrations.migrations_of, list[Migration]()
    monkeypatch.setattr(
        migrations,
        "migrations_of",
        lambda package: [*real(package), *(extra if package.endswith("accounts.migrations") else [])],
    )
    return extra


async def test_a_second_run_applies_nothing(database: Database) -> None:
    assert await migrations.apply(database.owner_url, ACCOUNTS_PACKAGES, {}) == []


async def test_two_at_once_apply_each_migration_once(database: Database, later: list[Migration]) -> None:
    later.append(Migration("shared.accounts.migrations/9001_twice.sql", "create table accounts.once (id int)"))
    runs = await asyncio.gather(*(migrations.apply(database.owner_url, ACCOUNTS_PACKAGES, {}) for _ in range(3)))
    assert sorted(len(run) for run in runs) == [0, 0, 1]


async def test_an_applied_migration_must_not_change(database: Database, later: list[Migration]) -> None:
    later.append(Migration("shared.accounts.migrations/9002_a.sql", "create table accounts.a (id int)"))
    await migrations.apply(database.owner_url, ACCOUNTS_PACKAGES, {})
    later[0] = Migration("shared.accounts.migrations/9002_a.sql", "create table accounts.b (id int)")
    with pytest.raises(migrations.MigrationChanged, match="9002_a"):
        await migrations.apply(database.owner_url, ACCOUNTS_PACKAGES, {})


async def test_a_failed_migration_leaves_nothing_behind(database: Database, later: list[Migration]) -> None:
    later.append(
        Migration("shared.accounts.migrations/9003_half.sql", "create table accounts.half (id int); select 1/0")
    )
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrations.apply(database.owner_url, ACCOUNTS_PACKAGES, {})
    conn = await asyncpg.connect(database.owner_url)
    try:
        assert await conn.fetchval("select to_regclass('accounts.half')") is None
    finally:
        await conn.close()


async def test_indexes_of_full_tables_are_built_once_and_a_broken_one_anew(database: Database) -> None:
    conn = await asyncpg.connect(database.owner_url)
    try:
        assert await table_indexes.build_missing(conn, ACCOUNTS_PACKAGES) == []
        await conn.execute("drop index accounts.portal_logins_waiting")
        # As an interrupted run leaves it.
        await conn.execute(
            "update pg_index set indisvalid = false where indexrelid = 'mail.deliveries_failed'::regclass"
        )
        assert await table_indexes.build_missing(conn, ACCOUNTS_PACKAGES) == [
            "portal_logins_waiting",
            "deliveries_failed",
        ]
        assert await table_indexes.build_missing(conn, ACCOUNTS_PACKAGES) == []
    finally:
        await conn.close()


async def test_writers_do_not_wait_for_such_an_index() -> None:
    statements = [text for package in ACCOUNTS_PACKAGES for text in _indexes_of(package)]
    assert len(statements) >= 2
    assert all(text.partition("create index concurrently ")[2] for text in statements)


def _indexes_of(package: str) -> list[str]:
    found = resources.files(package).joinpath(table_indexes.FILE)
    return list(named_queries(package, table_indexes.FILE).values()) if found.is_file() else []
