"""A mail server that takes no mail from us is left alone by every replica, and operators see it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from services.notifier.channel import LONGEST_PAUSE, PAUSE
from services.notifier.delivery import Courier
from services.notifier.sweep import Sweep
from tests.notifier.conftest import HeardQueue, MakeCourier, Post
from tests.notifier.smtp import Script
from tests.support.clock import FakeClock
from tests.support.people import World


@pytest.mark.parametrize("step", ["greeting", "EHLO"])
async def test_a_refused_channel_pauses_it_and_uses_up_nothing(
    post: Post, courier: Courier, smtp: Script, clock: FakeClock, step: str
) -> None:
    smtp.replies[step] = ["550 5.7.1 not from here"] * 2
    first, second = await post.queue(), await post.queue()
    await courier.deliver(first.id)
    await courier.deliver(second.id)
    assert smtp.connections == 1, "nobody asks again during the pause"
    row = await post.row(first)
    assert (row["state"], row["attempts"], row["next_attempt_at"]) == ("queued", 0, clock() + PAUSE)
    clock.advance(seconds=60)
    await courier.deliver(first.id)
    assert await post.attempts(first) == [(1, "channel_refused", 550)], "one row, however long it lasts"
    assert await post.reported(first) == ["delivery.deferred"]
    clock.advance(seconds=120)
    await courier.deliver(first.id)
    await courier.deliver(second.id)
    assert await post.attempts(first) == [(1, "accepted", 250)]
    assert await post.attempts(second) == [(1, "accepted", 250)]


async def test_the_pause_grows_and_a_mail_that_is_taken_ends_that(
    post: Post, courier: Courier, smtp: Script, clock: FakeClock
) -> None:
    smtp.replies["EHLO"] = ["550 5.7.1 not from here"] * 7
    began = clock()
    queued = await post.queue()
    pauses = []
    for _ in range(7):
        await courier.deliver(queued.id)
        [row] = await post.sql("select * from mail.channels")
        assert (row["agency_id"], row["since"], row["code"], row["reply"]) == (None, began, 550, "5.7.1 not from here")
        pauses.append((row["paused_until"] - clock()).total_seconds() / 60)
        clock.set(row["paused_until"])
    assert pauses == [1, 2, 4, 8, 15, 15, 15]
    assert timedelta(minutes=15) == LONGEST_PAUSE
    await courier.deliver(queued.id)
    assert (await post.row(queued))["state"] == "accepted"
    assert await post.sql("select * from mail.channels") == []
    smtp.replies["EHLO"] = ["550 5.7.1 not from here"]
    await courier.deliver((await post.queue()).id)
    [row] = await post.sql("select paused_until from mail.channels")
    assert row["paused_until"] == clock() + PAUSE


async def test_several_mails_that_are_refused_at_once_are_one_refusal(
    post: Post, make_courier: MakeCourier, smtp: Script, clock: FakeClock
) -> None:
    smtp.replies["EHLO"] = ["550 5.7.1 not from here"] * 4
    arrived = asyncio.Barrier(4)

    async def together() -> None:
        await arrived.wait()

    smtp.before["EHLO"] = together
    courier = make_courier(smtp)
    await asyncio.gather(*[courier.deliver((await post.queue()).id) for _ in range(4)])
    [row] = await post.sql("select refusals, paused_until from mail.channels")
    assert tuple(row) == (1, clock() + PAUSE)


async def test_every_replica_knows_of_the_pause(
    post: Post, make_courier: MakeCourier, smtp: Script, clock: FakeClock, sweep: Sweep, heard: HeardQueue
) -> None:
    smtp.replies["EHLO"] = ["550 5.7.1 not from here"]
    first, second = await post.queue(), await post.queue()
    await make_courier(smtp).deliver(first.id)
    await make_courier(smtp).deliver(second.id)
    assert smtp.connections == 1
    clock.advance(seconds=59)
    await sweep.look()
    assert sweep.figures.refusing == 1
    await sweep.sweep()
    assert heard.ids == [], "no task is put for what would have to wait"
    clock.advance(seconds=1)
    await sweep.sweep()
    assert sorted(heard.ids) == sorted([str(first.id), str(second.id)])


async def test_a_refused_sender_pauses_its_agency_alone(
    post: Post, courier: Courier, smtp: Script, world: World, clock: FakeClock
) -> None:
    lakeside = await world.agency("lakeside", name="Lakeside Support Network")
    smtp.replies["MAIL"] = ["550 5.7.1 not this sender"]
    refused, waits, other = await post.queue(), await post.queue(), await post.queue(agency=lakeside)
    for queued in (refused, waits, other):
        await courier.deliver(queued.id)
    assert [(await post.row(q))["state"] for q in (refused, waits, other)] == ["queued", "queued", "accepted"]
    assert smtp.connections == 2
    [row] = await post.sql("select agency_id, code from mail.channels")
    assert tuple(row) == (post.agency.id, 550), "another agency's mail says nothing about this one"
    clock.advance(seconds=60)
    await courier.deliver(waits.id)
    assert (await post.row(waits))["state"] == "accepted"
    assert await post.sql("select * from mail.channels") == []


async def test_what_expires_during_a_pause_is_ended_all_the_same(
    post: Post, courier: Courier, smtp: Script, clock: FakeClock
) -> None:
    smtp.replies["EHLO"] = ["550 5.7.1 not from here"]
    first, second = await post.queue(hours=72), await post.queue(hours=0.01)
    await courier.deliver(first.id)
    clock.advance(seconds=40)
    await courier.deliver(second.id)
    row = await post.row(second)
    assert (row["state"], row["sealed_secret"]) == ("expired", None)


async def test_a_channel_that_nobody_uses_any_more_is_forgotten(
    post: Post, courier: Courier, smtp: Script, clock: FakeClock, sweep: Sweep
) -> None:
    smtp.replies["EHLO"] = ["550 5.7.1 not from here"]
    await courier.deliver((await post.queue(hours=1)).id)
    clock.advance(days=2)
    await sweep.sweep()
    assert len(await post.sql("select 1 from mail.channels")) == 1
    clock.advance(days=2)
    await sweep.sweep()
    assert await post.sql("select 1 from mail.channels") == []
