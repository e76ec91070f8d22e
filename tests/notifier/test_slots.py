"""Mails to a domain that hangs wait; all others go on."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from services.notifier.mailer import Patience
from services.notifier.slots import Slots
from services.notifier.sweep import Sweep
from tests.notifier.conftest import HeardQueue, MakeCourier, Post
from tests.notifier.smtp import Script
from tests.support.clock import FakeClock
from tests.support.waiting import soon


async def test_a_quick_place_is_waited_for() -> None:
    slots = Slots(2, patience=5)
    inside, most = 0, 0

    async def visit() -> bool:
        nonlocal inside, most
        async with slots.slot("a.example") as free:
            inside += free
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= free
        return free

    assert await asyncio.gather(*(visit() for _ in range(10))) == [True] * 10
    assert (most, slots.put_off) == (2, 0)
    assert slots._places == {}, "a place without visitors takes no memory"


async def test_a_place_that_hangs_is_waited_for_once_and_then_never_until_it_ends() -> None:
    slots = Slots(1, patience=0.05)
    async with slots.slot("hangs.example") as first:
        assert first
        async with slots.slot("hangs.example") as second:
            assert not second
        slots._patience = 60
        async with asyncio.timeout(1), slots.slot("hangs.example") as third:
            assert not third
        async with asyncio.timeout(1), slots.slot("other.example") as other:
            assert other
    async with slots.slot("hangs.example") as again:
        assert again
    assert slots.put_off == 2


async def test_a_slot_comes_back_whatever_happens_in_it() -> None:
    slots = Slots(1)
    for error in (ValueError, asyncio.CancelledError):
        with pytest.raises(error):
            async with slots.slot("a.example"):
                raise error
    async with slots.slot("a.example") as free:
        assert free


async def test_a_domain_that_hangs_holds_up_no_other_and_costs_its_mails_no_try(
    post: Post, make_courier: MakeCourier, smtp: Script, clock: FakeClock, sweep: Sweep, heard: HeardQueue
) -> None:
    """By way of a smart host: what hangs is its answer to the recipient."""
    make_courier.slots = Slots(2, patience=0.1)
    make_courier.patience = Patience(until_content=30.0)
    go_on = asyncio.Event()

    async def hang() -> None:
        await go_on.wait()

    smtp.before["RCPT"] = hang
    courier = make_courier(smtp)
    hanging = [await post.queue(recipient=f"a{n}@Hangs.example") for n in range(6)]
    tasks = [asyncio.create_task(courier.deliver(queued.id)) for queued in hanging]

    async def two_wait() -> bool:
        return sum(task.done() for task in tasks) == 4 and smtp.connections == 2

    await soon(two_wait)
    smtp.before.clear()
    other = await post.queue(recipient="b@other.example")
    await courier.deliver(other.id)
    assert (await post.row(other))["state"] == "accepted"
    go_on.set()
    await asyncio.gather(*tasks)
    rows = [await post.row(queued) for queued in hanging]
    waiting = [row for row in rows if row["state"] == "queued"]
    assert len(waiting) == 4
    assert {(row["attempts"], row["next_attempt_at"]) for row in waiting} == {(0, clock() + timedelta(seconds=10))}
    clock.advance(seconds=15)
    await sweep.sweep()
    assert sorted(heard.ids) == sorted(str(row["id"]) for row in waiting)
    for row in waiting:
        await courier.deliver(row["id"])
    assert len(smtp.caught) == 7
