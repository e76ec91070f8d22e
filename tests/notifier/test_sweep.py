"""The sweep: lost tasks, dead workers, later tries, expired mail."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from services.notifier.delivery import Courier
from services.notifier.sweep import BATCH, Sweep
from shared.outbox import Work
from tests.notifier.conftest import HeardQueue, MakeCourier, Post
from tests.notifier.smtp import Script
from tests.support.clock import FakeClock
from tests.support.people import World


async def test_a_new_delivery_has_time_to_be_heard_of(
    post: Post, sweep: Sweep, heard: HeardQueue, clock: FakeClock
) -> None:
    queued = await post.queue()
    clock.advance(seconds=14)
    await sweep.sweep()
    assert heard.ids == []
    clock.advance(seconds=1)
    await sweep.sweep()
    assert heard.ids == [str(queued.id)]


async def test_a_task_is_not_put_again_and_again(post: Post, sweep: Sweep, heard: HeardQueue, clock: FakeClock) -> None:
    queued = await post.queue()
    clock.advance(seconds=20)
    for _ in range(5):
        await sweep.sweep()
        clock.advance(seconds=10)
    assert heard.ids == [str(queued.id)]
    clock.advance(seconds=10)
    await sweep.sweep()
    assert heard.ids == [str(queued.id)] * 2


async def test_a_later_try_is_put_once_it_is_due(
    post: Post,
    sweep: Sweep,
    heard: HeardQueue,
    clock: FakeClock,
    courier: Courier,
    smtp: Script,
    make_courier: MakeCourier,
) -> None:
    make_courier.jitter = 1.0
    smtp.replies["RCPT"] = ["451 later"]
    queued = await post.queue()
    clock.advance(seconds=15)
    await sweep.sweep()
    await courier.deliver(queued.id)
    clock.advance(seconds=29)
    await sweep.sweep()
    assert heard.ids == [str(queued.id)]
    clock.advance(seconds=1)
    await sweep.sweep()
    assert heard.ids == [str(queued.id)] * 2
    await courier.deliver(queued.id)
    clock.advance(hours=1)
    await sweep.sweep()
    assert heard.ids == [str(queued.id)] * 2
    assert len(smtp.caught) == 1


async def test_a_lease_that_ran_out_frees_the_delivery(
    post: Post, sweep: Sweep, heard: HeardQueue, clock: FakeClock
) -> None:
    queued = await post.queue()
    await post.sql(
        "update mail.deliveries set state = 'sending', attempts = 1, lease_until = $1", clock() + timedelta(seconds=150)
    )
    clock.advance(seconds=149)
    await sweep.sweep()
    assert heard.ids == []
    clock.advance(seconds=1)
    await sweep.sweep()
    assert heard.ids == [str(queued.id)]


async def test_expired_deliveries_end_agency_by_agency(
    post: Post, sweep: Sweep, heard: HeardQueue, clock: FakeClock, world: World
) -> None:
    lakeside = await world.agency("lakeside", name="Lakeside Support Network")
    mine, theirs, lasting = await post.queue(hours=1), await post.queue(hours=1, agency=lakeside), await post.queue()
    leased = await post.queue(hours=1)
    await post.sql(
        "update mail.deliveries set state = 'sending', attempts = 1, lease_until = $2 where id = $1",
        *(leased.id, clock() + timedelta(hours=2)),
    )
    clock.advance(hours=1)
    heard.away = True
    with pytest.raises(ConnectionError):
        await sweep.sweep()
    for queued, agency in ((mine, post.agency), (theirs, lakeside)):
        row = await post.row(queued)
        assert (row["state"], row["sealed_secret"], row["finished_at"]) == ("expired", None, clock())
        [event] = await post.events(queued)
        assert (event.type, event.agency_id) == ("delivery.expired", agency.id)
        assert event.subject.portal_login_id == queued.portal_login_id
    assert (await post.row(leased))["state"] == "sending", "its worker is at it"
    assert (await post.row(lasting))["enqueued_at"] is None, "nobody heard of it: the next round puts it again"
    heard.away = False
    await sweep.sweep()
    assert heard.ids == [str(lasting.id)]
    assert sweep.figures.expired == 2


async def test_many_expired_deliveries_end_in_one_round(post: Post, sweep: Sweep, clock: FakeClock) -> None:
    await post.queue(hours=1)
    await post.sql(
        """insert into mail.deliveries select gen_random_uuid(), agency_id, gen_random_uuid(), client_id, mail, recipient,
            context, sealed_secret, sealed_for, state, attempts, next_attempt_at, lease_until, expires_at,
            gen_random_uuid()::text, created_at, finished_at, enqueued_at
        from mail.deliveries, generate_series(1, $1::int)""",
        BATCH,
    )
    clock.advance(hours=1)
    await sweep.sweep()
    [row] = await post.sql("select count(*) filter (where state = 'expired') as expired, count(*) from mail.deliveries")
    assert tuple(row) == (BATCH + 1, BATCH + 1)
    [row] = await post.sql("select count(*) from mail.outbox where body like '%delivery.expired%'")
    assert row["count"] == BATCH + 1


async def test_replicas_take_turns(post: Post, notifier_work: Work, clock: FakeClock) -> None:
    class SlowQueue(HeardQueue):
        async def put_all(self, delivery_ids: object) -> None:
            await super().put_all(delivery_ids)
            await asyncio.sleep(0.1)

    queued = await post.queue()
    clock.advance(minutes=1)
    queue = SlowQueue()
    await asyncio.gather(*(Sweep(notifier_work, queue, every=10).sweep() for _ in range(3)))
    assert queue.ids == [str(queued.id)]


async def test_the_figures_tell_the_age_of_the_oldest_due_delivery(post: Post, sweep: Sweep, clock: FakeClock) -> None:
    await sweep.look()
    assert (sweep.figures.waiting, sweep.figures.oldest_waiting) == (0, 0.0)
    await post.queue()
    clock.advance(seconds=90)
    await post.queue()
    await sweep.look()
    assert (sweep.figures.waiting, sweep.figures.oldest_waiting) == (2, 90.0)
