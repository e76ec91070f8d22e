"""What many sign-ins at once leave to everybody else."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest
from redis.asyncio import Redis

from shared.accounts.access import Origin
from shared.db import Pool
from shared.db.pool import Unavailable, in_lane
from shared.errors import Busy
from shared.security import throttle
from shared.security.gate import Gate, at_the_gate
from shared.security.passwords import PasswordHasher
from shared.security.throttle import Allowance, Throttle, TooManyAttempts
from tests.support.databases import Database


async def test_a_lane_leaves_the_other_connections_free(database: Database) -> None:
    pool = await Pool.open(database.url("portico_admin"), size=3, acquire_timeout=2)
    narrow, many, inside, most = asyncio.Semaphore(2), asyncio.Event(), 0, 0

    async def sign_in() -> None:
        nonlocal inside, most
        with in_lane(narrow):
            async with pool.transaction(None):
                inside += 1
                most = max(most, inside)
                await many.wait()
                inside -= 1

    waiting = [asyncio.create_task(sign_in()) for _ in range(10)]
    try:
        async with asyncio.timeout(2):
            while inside < 2:
                await asyncio.sleep(0.01)
        # Somebody else's turn comes at once, though ten were there before.
        async with asyncio.timeout(1), pool.transaction(None) as conn:
            assert await conn.fetchval("select 1") == 1
    finally:
        many.set()
        await asyncio.gather(*waiting)
        await pool.close()
    assert most == 2


async def test_no_more_sign_ins_at_a_time_than_may_be_hashed(gate: Gate, hasher: PasswordHasher) -> None:
    with ExitStack() as inside:
        for _ in range(hasher.most):
            inside.enter_context(gate.turn(stranger=True))
        with pytest.raises(Busy), gate.turn(stranger=False):
            raise AssertionError("somebody too many was let in")
    with gate.turn(stranger=True):
        pass


async def test_while_everybody_had_too_many_strangers_are_refused_without_asking(
    hasher: PasswordHasher, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "EVERYWHERE", Allowance("everywhere", 3, 20.0))
    begun: list[Origin] = []

    @at_the_gate
    async def sign_in(work: None, gate: Gate, *, origin: Origin) -> None:
        begun.append(origin)
        await gate.admit(origin.address)

    now = 1000.0
    async with Redis.from_url(redis_url) as redis:
        gate = Gate(hasher, Throttle(redis, monotonic=lambda: now))
        stranger = [Origin(address=f"203.0.113.{n}") for n in range(9)]
        for origin in stranger[:3]:
            await sign_in(None, gate, origin=origin)
        with pytest.raises(TooManyAttempts):
            await sign_in(None, gate, origin=stranger[3])
        assert len(begun) == 4
        for origin in stranger[4:]:
            with pytest.raises(TooManyAttempts) as refused:
                await sign_in(None, gate, origin=origin)
            assert refused.value.retry_after
        assert len(begun) == 4, "nothing was read for them"
        # A browser that may be known is looked up all the same.
        with pytest.raises(TooManyAttempts):
            await sign_in(None, gate, origin=Origin(address="203.0.113.9", device=b"x" * 32))
        assert len(begun) == 5
        now += 21
        with pytest.raises(TooManyAttempts):
            await sign_in(None, gate, origin=stranger[4])
        assert len(begun) == 6, "after a while they are counted again"


async def test_one_address_that_had_too_many_shuts_nobody_else_out(gate: Gate) -> None:
    for _ in range(throttle.ADDRESS.size):
        await gate.admit("203.0.113.7")
    with pytest.raises(TooManyAttempts):
        await gate.admit("203.0.113.7")
    with gate.turn(stranger=True):
        await gate.admit("203.0.113.8")


async def test_strangers_and_browsers_do_not_wait_for_one_another(
    gate: Gate, hasher: PasswordHasher, database: Database
) -> None:
    pool = await Pool.open(database.url("portico_admin"), size=9, acquire_timeout=2)
    inside, done = {True: 0, False: 0}, asyncio.Event()

    async def sign_in(stranger: bool) -> None:
        with gate.turn(stranger=stranger):
            async with pool.transaction(None):
                inside[stranger] += 1
                await done.wait()

    waiting = [asyncio.create_task(sign_in(stranger)) for stranger in [True] * 6 + [False] * 6]
    try:
        async with asyncio.timeout(5):
            while inside != {True: hasher.threads, False: 2}:
                await asyncio.sleep(0.01)
    finally:
        done.set()
        await asyncio.gather(*waiting)
        await pool.close()


async def test_who_waits_for_a_row_in_a_lane_gives_the_place_up(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.db.pool._LOCK_IN_A_LANE", "50ms")
    pool = await Pool.open(database.url("portico_admin"), size=3)
    lock = "select pg_advisory_xact_lock(4711)"
    try:
        async with pool.transaction(None) as conn:
            await conn.execute(lock)
            with pytest.raises(Unavailable), in_lane(asyncio.Semaphore(1)):
                async with pool.transaction(None) as other:
                    await other.execute(lock)
        # The setting went with its transaction.
        async with pool.transaction(None) as conn:
            assert await conn.fetchval("show lock_timeout") == "0"
    finally:
        await pool.close()
