"""Mails that nobody will get: where they go back to, and what a refusal of the address means for the next ones."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from services.notifier.delivery import Courier
from services.notifier.sweep import Sweep
from shared.deliveries.return_paths import LONGEST_MAILBOX, ReturnPaths, ReturnTokens
from tests.notifier.conftest import SENDER, MakeCourier, Post
from tests.notifier.smtp import Script
from tests.notifier.test_settings import settings
from tests.support.clock import FakeClock
from tests.support.people import World

KEY = "a key for trials that is long enough".replace(" ", "-")
PATHS = ReturnPaths("bounces@mail.portico.example", ReturnTokens(KEY))
ADDRESS = "cmalek@client.example"


@pytest.fixture
def returning(make_courier: MakeCourier, smtp: Script) -> Courier:
    """A courier whose mails have return addresses of their own."""
    return replace(make_courier, return_paths=PATHS)(smtp)


async def flagged(post: Post) -> list[tuple[str, str, str | None]]:
    rows = await post.sql("select address, kind, code from mail.bounced_addresses where lifted_at is null")
    return [tuple(row) for row in rows]


async def test_each_mail_goes_back_to_an_address_of_its_own(post: Post, returning: Courier, smtp: Script) -> None:
    first, second = await post.queue(), await post.queue()
    await returning.deliver(first.id)
    await returning.deliver(second.id)
    senders = [mail.sender for mail in smtp.caught]
    assert senders == [PATHS.of(first.id), PATHS.of(second.id)]
    assert all(len(sender.partition("@")[0]) <= 64 for sender in senders)
    assert all(mail.message["From"].endswith(f"<{SENDER}>") for mail in smtp.caught)
    assert ReturnTokens(KEY).delivery_of([senders[1].upper()]) == second.id


async def test_what_comes_back_is_asked_for_without_its_content(post: Post, courier: Courier, smtp: Script) -> None:
    smtp.replies["EHLO"] = ["250-mail.test\r\n250 DSN"]
    await courier.deliver((await post.queue()).id)
    assert f"MAIL FROM:<{SENDER}> RET=HDRS\r\n".encode() in bytes(smtp.wire)


@pytest.mark.parametrize(
    "reply",
    [
        "550 5.1.1 <cmalek@client.example>: Recipient address rejected: User unknown",
        "550 No such user here",
        "550 Requested action not taken",
        "553 sorry, no mailbox here by that name",
        "550 5.4.1 Recipient address rejected: Access denied",
        "556 5.1.10 The domain takes no mail",
    ],
)
async def test_a_refused_recipient_flags_the_address(post: Post, courier: Courier, smtp: Script, reply: str) -> None:
    smtp.replies["RCPT"] = [reply]
    queued = await post.queue(recipient=ADDRESS.replace("c", "C", 1))
    await courier.deliver(queued.id)
    assert [(address, kind) for address, kind, _ in await flagged(post)] == [(ADDRESS, "hard")]
    assert await post.reported(queued) == ["delivery.failed", "delivery.bounced"]
    [row] = await post.sql("select source, reply, delivery_id from mail.bounces")
    assert (row["source"], row["delivery_id"]) == ("server", queued.id)
    assert row["reply"] == reply.partition(" ")[2]


@pytest.mark.parametrize(
    ("step", "reply"),
    [
        ("RCPT", "550 5.7.1 Our rules do not let you in"),
        ("RCPT", "550 Blocked, see our policy"),
        ("RCPT", "552 5.2.2 Mailbox full"),
        ("RCPT", "450 4.2.1 Try again later"),
        ("DATA", "550 This looks like spam"),
        ("DATA", "554 Transaction failed"),
        ("MAIL", "550 5.1.8 We do not know the sender's domain"),
    ],
)
async def test_other_refusals_say_nothing_of_the_address(
    post: Post, courier: Courier, smtp: Script, step: str, reply: str
) -> None:
    smtp.replies[step] = [reply]
    queued = await post.queue()
    await courier.deliver(queued.id)
    assert await flagged(post) == []
    assert "delivery.bounced" not in await post.reported(queued)


async def test_nothing_more_is_sent_to_a_flagged_address(
    post: Post, courier: Courier, smtp: Script, clock: FakeClock
) -> None:
    waiting = await post.queue(mail="password_changed")
    other = await post.queue(recipient="other@client.example")
    smtp.replies["RCPT"] = ["550 5.1.1 User unknown"]
    await courier.deliver((await post.queue()).id)
    connections = smtp.connections
    # What waited has ended, and what is queued afterwards ends when its turn comes.
    later = await post.queue(mail="password_changed")
    await courier.deliver(later.id)
    await courier.deliver(later.id)
    for queued in (waiting, later):
        row = await post.row(queued)
        assert (row["state"], row["sealed_secret"], row["finished_at"]) == ("failed", None, clock())
        [event] = await post.events(queued)
        assert (event.type, event.payload["outcome"]) == ("delivery.failed", "bounced")
    assert smtp.connections == connections
    await courier.deliver(other.id)
    assert (await post.row(other))["state"] == "accepted"


async def test_another_agency_may_still_write_to_the_address(
    post: Post, courier: Courier, smtp: Script, world: World
) -> None:
    smtp.replies["RCPT"] = ["550 5.1.1 User unknown"]
    await courier.deliver((await post.queue()).id)
    there = await world.agency("lakeside")
    queued = await post.queue(agency=there)
    await courier.deliver(queued.id)
    assert (await post.row(queued))["state"] == "accepted"


async def test_after_the_flag_is_lifted_mails_leave_again_and_a_new_refusal_flags_anew(
    post: Post, courier: Courier, smtp: Script, clock: FakeClock
) -> None:
    smtp.replies["RCPT"] = ["550 5.1.1 User unknown", "250 OK", "550 5.1.1 User unknown"]
    await courier.deliver((await post.queue()).id)
    clock.advance(seconds=1)
    await post.sql("update mail.bounced_addresses set lifted_at = $1", clock())
    fine = await post.queue()
    await courier.deliver(fine.id)
    assert (await post.row(fine))["state"] == "accepted"
    clock.advance(seconds=1)
    await courier.deliver((await post.queue()).id)
    assert len(await flagged(post)) == 1


async def test_a_mail_that_another_worker_hands_over_is_left_to_it(
    post: Post, courier: Courier, smtp: Script, make_courier: MakeCourier, sweep: Sweep
) -> None:
    queued = await post.queue()
    flag = "insert into mail.bounced_addresses (agency_id, address, kind, since) values ($1, $2, 'hard', now())"

    async def meanwhile() -> None:
        await post.sql(flag, post.agency.id, ADDRESS)
        await make_courier(smtp).deliver(queued.id)

    smtp.before["DATA"] = meanwhile
    await courier.deliver(queued.id)
    assert (await post.row(queued))["state"] == "accepted"


def test_only_tokens_that_were_made_here_name_a_delivery() -> None:
    delivery = uuid4()
    token = ReturnTokens(KEY).token(delivery)
    other = ReturnTokens("another key for trials, just as long".replace(" ", "-"))
    assert ReturnTokens(KEY).delivery(token) == delivery
    assert other.delivery(token) is None
    changed = token[:-3] + ("aaa" if token[-3:] != "aaa" else "bbb")
    swapped = ReturnTokens(KEY).token(uuid4())[:20] + token[20:]
    for wrong in (changed, swapped, token[:-1], token + "a", "", "1" * 42, "é" * 42, "=" * 42, str(delivery)):
        assert ReturnTokens(KEY).delivery(wrong) is None
    rotated = ReturnTokens(f"a-newer-key-that-is-used-from-now-on\n{KEY}")
    assert rotated.delivery(token) == delivery
    assert rotated.token(delivery) != token


def test_settings_say_where_mails_go_back_to() -> None:
    assert settings().return_paths() is None
    assert settings(bounce_key=KEY).return_paths() is None
    for given in ({"bounce_domain": "back.portico.example"}, {"bounce_address": "bounce@back.portico.example"}):
        found = settings(bounce_key=KEY, **given).return_paths()
        assert found is not None
        address = found.of(UUID(int=7))
        assert address.startswith("bounce+")
        assert address.endswith("@back.portico.example")
    assert KEY not in repr(settings(bounce_key=KEY))


@pytest.mark.parametrize(
    "wrong",
    [
        {"bounce_domain": "back.portico.example"},
        {"bounce_address": "bounces@portico.example"},
        {"bounce_key": "short"},
        {"bounce_key": KEY, "bounce_domain": "a.example", "bounce_address": "b@a.example"},
        {"bounce_key": KEY, "bounce_domain": "a.example>\r\nDATA"},
        {"bounce_key": KEY, "bounce_address": "no address"},
        {"bounce_key": KEY, "bounce_address": f"{'b' * (LONGEST_MAILBOX + 1)}@a.example"},
    ],
)
def test_settings_that_make_no_return_address_stop_the_start(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)
