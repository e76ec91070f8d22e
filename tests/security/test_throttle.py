"""Sign-ins from one address, one network and everywhere are counted, in Redis or without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from ipaddress import ip_network

import pytest
from redis.asyncio import Redis

from ops.stack.ports import free_port
from shared.security import throttle
from shared.security.throttle import Allowance, OwnCount, Throttle, TooManyAttempts, allowances

HOME = "203.0.113.7"
SIZE = throttle.ADDRESS.size


class Ticks:
    """A monotonic clock that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as found:
        yield found


@pytest.fixture(params=["Redis", "no Redis"])
async def counted(request: pytest.FixtureRequest, redis: Redis) -> AsyncIterator[Throttle]:
    if request.param == "Redis":
        yield Throttle(redis)
        return
    async with Redis.from_url(f"redis://127.0.0.1:{free_port()}") as away:
        yield Throttle(away)


async def taken(throttle: Throttle, address: str | None, times: int) -> int:
    """How many of so many were let through."""
    through = 0
    for _ in range(times):
        with suppress(TooManyAttempts):
            await throttle.take(address)
            through += 1
    return through


async def test_one_address_gets_so_many_and_is_told_when_the_next_one_comes(counted: Throttle) -> None:
    assert await taken(counted, HOME, 2 * SIZE) == SIZE
    with pytest.raises(TooManyAttempts) as refused:
        await counted.take(HOME)
    assert refused.value.retry_after is not None
    assert 0 < refused.value.retry_after <= throttle.ADDRESS.seconds
    assert await taken(counted, "203.0.113.8", 1) == 1


async def test_who_knew_the_password_is_not_counted(counted: Throttle) -> None:
    for _ in range(2 * SIZE):
        await counted.give_back(await counted.take(HOME))
    assert await taken(counted, HOME, 2 * SIZE) == SIZE


async def test_a_household_has_one_allowance_however_many_addresses(counted: Throttle) -> None:
    for number in range(SIZE):
        await counted.take(f"2001:db8:1:2::{number:x}")
    with pytest.raises(TooManyAttempts):
        await counted.take("2001:db8:1:2:ffff::1")
    await counted.take("2001:db8:1:3::1")


async def test_everybody_together_has_one_too(counted: Throttle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "EVERYWHERE", Allowance("everywhere", 5, 10.0))
    for number in range(5):
        await counted.take(f"198.51.100.{number}")
    with pytest.raises(TooManyAttempts):
        await counted.take("198.51.100.200")
    # Whoever was refused by one allowance was not counted in the other.
    assert allowances(None, ()) == (Allowance("everywhere", 5, 10.0),)


async def test_replicas_count_together(redis: Redis) -> None:
    both = await asyncio.gather(*(taken(Throttle(redis), HOME, SIZE) for _ in range(2)))
    assert sum(both) == SIZE


async def test_nothing_is_kept_longer_than_it_counts(redis: Redis) -> None:
    await Throttle(redis).take(HOME)
    [key] = [k async for k in redis.scan_iter("*address*")]
    assert 0 < await redis.pttl(key) <= throttle.ADDRESS.seconds * 1000
    ours = Throttle(redis)
    await ours.give_back(await ours.take(HOME))
    assert await redis.pttl(key) > 0


async def test_a_shared_network_has_room_for_many(redis: Redis) -> None:
    shelter = Throttle(redis, [ip_network("203.0.113.0/28"), ip_network("2001:db8::/48")])
    assert await taken(shelter, HOME, 2 * SIZE) == 2 * SIZE
    assert await taken(shelter, "2001:db8::1", 2 * SIZE) == 2 * SIZE
    assert await taken(shelter, "203.0.113.99", 2 * SIZE) == SIZE


async def test_redis_that_came_back_is_asked_again(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = Ticks()
    ours = Throttle(redis, monotonic=ticks)
    monkeypatch.setattr(throttle, "_REDIS_SECONDS", 0)
    assert await taken(ours, HOME, 2 * SIZE) == SIZE
    monkeypatch.undo()
    assert await taken(ours, HOME, 1) == 0
    ticks.now += throttle._AWAY_SECONDS
    assert await taken(ours, HOME, 1) == 1


def test_the_count_of_one_process_stays_small() -> None:
    count = OwnCount(Ticks(), most=10)
    for number in range(100):
        assert count.take(allowances(f"198.51.100.{number}", ())[:1]) == 0
    assert len(count._whole) == 10


def test_what_was_taken_comes_back_one_by_one() -> None:
    ticks = Ticks()
    count = OwnCount(ticks)
    mine = (Allowance("mine", 2, 10.0),)
    assert [count.take(mine) for _ in range(3)] == [0, 0, 10]
    ticks.now += 10
    assert [count.take(mine) for _ in range(2)] == [0, 10]
