"""A pool whose every transaction says which agency it works for, so that row-level security can hold."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeAlias
from uuid import UUID

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

Unavailable: tuple[type[BaseException], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.InterfaceError,
    ConnectionError,
    OSError,
    TimeoutError,
)
"""What the driver raises when the database is away or too slow: an answer of 503, not a defect."""


# A process that is frozen, or cut off, in the middle of a transaction keeps its locks, for which others wait. Longer
# than anything that a transaction waits for elsewhere (Redis 5 s, the audit service 10 s).
_SILENT_TRANSACTION: Final = "20s"


# Whoever lets people into a lane lets in a bounded number, who may wait longer than others for their turn.
_LANE_SECONDS: Final = 20.0
# For as long all others in the lane wait too.
_LOCK_IN_A_LANE: Final = "3s"
_SET: Final = "select set_config(name, value, true) from unnest($1::text[], $2::text[]) as given(name, value)"
_LANE: ContextVar[asyncio.Semaphore | None] = ContextVar("lane", default=None)


@contextmanager
def in_lane(lane: asyncio.Semaphore) -> Iterator[None]:
    """Whatever is done inside has no more transactions at once than ``lane`` admits: the others' turn comes as well."""
    token = _LANE.set(lane)
    try:
        yield
    finally:
        _LANE.reset(token)


class Pool:
    """Connections of one database role. All state on a connection is local to its transaction."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], size: int, acquire_timeout: float) -> None:
        self._pool = pool
        # asyncpg lets a new request overtake those that wait; a semaphore in front keeps the queue fair.
        self._turns = asyncio.Semaphore(size)
        self._acquire_timeout = acquire_timeout

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        size: int = 10,
        application_name: str = "portico",
        command_timeout: float = 15.0,
        acquire_timeout: float = 5.0,
        server_settings: Mapping[str, str] | None = None,
    ) -> Pool:
        """Connect lazily (no connection is made before it is needed). Times in seconds."""
        pool = await asyncpg.create_pool(
            dsn,
            min_size=0,
            max_size=size,
            init=_register_codecs,
            reset=_nothing_to_reset,
            command_timeout=command_timeout,
            timeout=acquire_timeout,
            server_settings={
                "application_name": application_name,
                "timezone": "UTC",
                "idle_in_transaction_session_timeout": _SILENT_TRANSACTION,
            }
            | dict(server_settings or {}),
        )
        return cls(pool, size, acquire_timeout)

    @asynccontextmanager
    async def transaction(self, agency_id: UUID | None) -> AsyncIterator[Connection]:
        """A transaction that sees the rows of one agency; ``None`` for work that belongs to none (or, for roles
        with a policy of their own, to all)."""
        async with AsyncExitStack() as stack:
            # The narrow way first: who waits there must not hold a turn meanwhile.
            if (lane := _LANE.get()) is not None:
                async with asyncio.timeout(_LANE_SECONDS):
                    await stack.enter_async_context(lane)
            async with asyncio.timeout(self._acquire_timeout):
                await stack.enter_async_context(self._turns)
            async with self._pool.acquire(timeout=self._acquire_timeout) as conn, conn.transaction():
                settings = {} if agency_id is None else {"app.agency_id": str(agency_id)}
                if lane is not None:
                    settings["lock_timeout"] = _LOCK_IN_A_LANE
                if settings:
                    await conn.execute(_SET, list(settings), list(settings.values()))
                yield conn

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[Connection]:
        """A connection for one statement that commits by itself, which saves the round trips around it.

        Only for roles with a policy across agencies: it names none.
        """
        async with asyncio.timeout(self._acquire_timeout):
            await self._turns.acquire()
        try:
            async with self._pool.acquire(timeout=self._acquire_timeout) as conn:
                yield conn
        finally:
            self._turns.release()

    async def check(self) -> None:
        """Raise what the driver raises when the database can't be reached."""
        async with self.transaction(None) as conn:
            await conn.fetchval("select 1")

    async def close(self) -> None:
        """Close every connection; those still busy after ten seconds are cut."""
        try:
            await asyncio.wait_for(self._pool.close(), 10)
        except TimeoutError:
            self._pool.terminate()


async def _register_codecs(conn: Connection) -> None:
    for name in ("json", "jsonb"):
        await conn.set_type_codec(name, encoder=_to_json, decoder=json.loads, schema="pg_catalog")


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


async def _nothing_to_reset(_: Connection) -> None:
    # Only SET LOCAL and transaction-scoped locks are used, so the driver's RESET round trip (about 30 % of a short
    # query) has nothing to undo.
    return None
