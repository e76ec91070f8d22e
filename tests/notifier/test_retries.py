"""A delivery from its first try to its last, at a mail server that says all kinds of things."""

from __future__ import annotations

from services.notifier.delivery import Courier
from tests.notifier.conftest import SECRET, MakeCourier, Post
from tests.notifier.smtp import Script
from tests.support.clock import FakeClock


async def test_three_temporary_refusals_and_a_yes_are_one_mail(
    post: Post, courier: Courier, smtp: Script, make_courier: MakeCourier, clock: FakeClock
) -> None:
    make_courier.jitter = 1.0
    smtp.replies["RCPT"] = ["451 4.7.1 greylisted"] * 3
    queued = await post.queue()
    for wait in (30, 60, 120, 3600):
        await courier.deliver(queued.id)
        clock.advance(seconds=wait)
        await courier.deliver(queued.id)
    assert [mail.message["Message-ID"] for mail in smtp.caught] == [f"<{queued.id}@portico.example>"]
    assert await post.attempts(queued) == [*((n, "deferred", 451) for n in (1, 2, 3)), (4, "accepted", 250)]


async def test_421_recycles_the_connection_and_the_next_try_has_a_fresh_one(
    post: Post, make_courier: MakeCourier, smtp: Script
) -> None:
    make_courier.keep = 2
    courier = make_courier(smtp)
    await courier.deliver((await post.queue()).id)
    smtp.replies["RCPT"] = ["421 4.3.2 shutting down"]
    queued = await post.queue()
    await courier.deliver(queued.id)
    assert smtp.connections == 1
    await courier.deliver(queued.id)
    assert smtp.connections == 2
    assert await post.attempts(queued) == [(1, "deferred", 421), (2, "accepted", 250)]
    assert len(smtp.caught) == 2


async def test_a_loss_after_the_content_on_a_kept_connection_gets_one_more_try_on_a_fresh_one(
    post: Post, make_courier: MakeCourier, smtp: Script
) -> None:
    make_courier.keep = 2
    courier = make_courier(smtp)
    await courier.deliver((await post.queue()).id)
    smtp.replies["DATA"] = ["drop"]
    queued = await post.queue()
    await courier.deliver(queued.id)
    assert len(smtp.caught) == 2, "not begun anew by itself: the mail may have been taken"
    await courier.deliver(queued.id)
    _, first, second = smtp.caught
    assert smtp.connections == 2
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert SECRET in first.text
    assert SECRET in second.text
    assert await post.attempts(queued) == [(1, "unknown", None), (2, "accepted", 250)]
