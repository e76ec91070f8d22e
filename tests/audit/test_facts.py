"""What the database puts together of an event is what the program hashes when it stores it, whatever it holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.audit import chain
from services.audit.verify_queries import SQL
from tests.support.databases import Database, Databases
from tests.support.loop import LoopThread

# What PostgreSQL can hold: any text but NUL, and no halves of surrogate pairs.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
ID = st.uuids()
MOMENT = st.datetimes(timezones=st.just(UTC)) | st.sampled_from(
    [
        datetime.min.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
    ]
)
ROW = st.fixed_dictionaries(
    {
        "id": ID,
        "agency_id": ID,
        "type": TEXT,
        "version": st.integers(0, 32767),
        "occurred_at": MOMENT,
        "actor_key": TEXT,
        "actor_name": TEXT,
        "client_id": st.none() | ID,
        "case_id": st.none() | ID,
        "portal_login_id": st.none() | ID,
        "in_activity": st.booleans(),
        "change_type": st.none() | TEXT,
        "event": TEXT,
        "salt": st.binary(min_size=16, max_size=16),
    }
)


@dataclass
class Store:
    """A connection of the store's owner, in a thread of its own."""

    loop: LoopThread
    conn: Any

    def read(self, columns: dict[str, Any]) -> Any:
        """What the query says of such a row; nothing is kept."""
        return self.loop.run(self._read(columns))

    async def _read(self, columns: dict[str, Any]) -> Any:
        transaction = self.conn.transaction()
        await transaction.start()
        try:
            places = ", ".join(f"${n}" for n in range(1, len(columns) + 1))
            await self.conn.execute(
                f"insert into audit.events ({', '.join(columns)}, seq) values ({places}, 1)", *columns.values()
            )
            return await self.conn.fetchrow(f"select {SQL['row']} from audit.events where id = $1", columns["id"])
        finally:
            await transaction.rollback()


@pytest.fixture(scope="module")
def store(servers_loop: LoopThread, databases: Databases) -> Iterator[Store]:
    database: Database = servers_loop.run(databases.create())
    conn = servers_loop.run(asyncpg.connect(database.owner_url))
    yield Store(servers_loop, conn)
    servers_loop.run(conn.close())
    servers_loop.run(databases.give_back(database))


@given(row=ROW)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_query_and_the_program_put_an_event_together_alike(store: Store, row: dict[str, Any]) -> None:
    found = store.read(row)
    expected = chain.facts(
        event_id=row["id"],
        type_=row["type"],
        **{
            name: row[name]
            for name in (
                *("agency_id", "version", "occurred_at", "actor_key", "client_id", "case_id", "portal_login_id"),
                *("in_activity", "change_type"),
            )
        },
    )
    assert found["facts"] == expected
    assert hashlib.sha256(found["personal"]).digest() == chain.personal_digest(
        row["salt"], row["actor_name"], row["event"].encode()
    )


@given(row=ROW, digest=st.binary(max_size=40))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_row_that_is_neither_whole_nor_erased_has_no_facts(store: Store, row: dict[str, Any], digest: bytes) -> None:
    erased = row | {"actor_name": None, "event": None, "salt": None}
    assert (store.read(erased | {"erased_digest": digest})["facts"] is not None) is (len(digest) == 32)
    assert store.read(row | {"erased_digest": digest})["facts"] is None
    assert store.read(row | {"salt": row["salt"] + b"x"})["facts"] is None
    assert store.read(row | {"salt": row["salt"][1:]})["facts"] is None
    assert store.read(row | {"body": "{}"})["facts"] is None
    for name in ("actor_name", "event", "salt"):
        assert store.read(row | {name: None})["facts"] is None


@pytest.mark.parametrize(
    "moment", ["infinity", "-infinity", "294276-12-31 23:59:59.999999+00", "4713-01-01 00:00:00+00 BC"]
)
def test_a_moment_that_no_event_can_have_stops_nothing(store: Store, moment: str) -> None:
    async def read() -> Any:
        transaction = store.conn.transaction()
        await transaction.start()
        try:
            await store.conn.execute(
                "insert into audit.events (id, agency_id, type, version, occurred_at, actor_key, in_activity, event, salt,"
                f" actor_name) values ($1, $1, 'x', 1, '{moment}', 'x', false, '{{}}', sha256('x')::bytea, 'x')",
                UUID(int=7 << 80),
            )
            await store.conn.execute("update audit.events set salt = substr(salt, 1, 16)")
            return await store.conn.fetchval(f"select facts from (select {SQL['row']} from audit.events) as r")
        finally:
            await transaction.rollback()

    assert store.loop.run(read()) is not None
