"""One delivery from its row to the mail server: once, within its rights, and with a trace of what happened."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from services.notifier.delivery import TRIES, Courier, backoff
from shared.db import Pool
from shared.deliveries.sealing import Sealer, new_key_pair
from shared.events import Subject
from shared.outbox import Work
from tests.notifier.conftest import SECRET, SENDER, MakeCourier, Post
from tests.notifier.smtp import Script, mail_server
from tests.support.clock import FakeClock
from tests.support.databases import Database


async def test_an_accepted_mail_ends_the_delivery_and_wipes_its_secret(
    post: Post, courier: Courier, smtp: Script, clock: FakeClock, make_courier: MakeCourier
) -> None:
    queued = await post.queue()
    await courier.deliver(queued.id)
    [mail] = smtp.caught
    assert SECRET in mail.text
    assert SECRET in mail.html
    assert "Thursday, March 5, 2026 at 10:00 AM EST" in mail.text
    assert (mail.sender, mail.recipients) == (SENDER, ["cmalek@client.example"])
    assert mail.message["Message-ID"] == f"<{queued.id}@portico.example>"
    row = await post.row(queued)
    assert (row["state"], row["sealed_secret"], row["lease_until"]) == ("accepted", None, None)
    assert (row["attempts"], row["finished_at"]) == (1, clock())
    assert await post.attempts(queued) == [(1, "accepted", 250)]
    [event] = await post.events(queued)
    assert event.type == "delivery.accepted"
    assert event.payload == {"delivery_id": str(queued.id), "mail": "temporary_password", "attempt": 1}
    assert (event.actor.kind, event.actor.username) == ("system", "notifier")
    assert event.agency_id == post.agency.id
    assert (event.subject.portal_login_id, event.subject.client_id) == (queued.portal_login_id, queued.client_id)
    assert make_courier.observed == [("temporary_password", "accepted")]


async def test_a_mail_about_a_changed_address_shows_the_part_that_its_publisher_left(
    post: Post, courier: Courier, smtp: Script
) -> None:
    context = {"username": "cmalek", "agency_name": "Riverside", "portal_url": "http://localhost:8082/riverside/"}
    queued = await post.queue(mail="email_changed", context={**context, "new_email": "o***@example.com"})
    await courier.deliver(queued.id)
    [mail] = smtp.caught
    assert "o***@example.com" in mail.text
    assert "/riverside/confirm-email#token=" in mail.text


async def test_an_agency_may_have_a_sender_of_its_own(post: Post, courier: Courier, smtp: Script) -> None:
    await post.sql("update accounts.agencies set sender = 'portal@riverside.example'")
    queued = await post.queue()
    await courier.deliver(queued.id)
    [mail] = smtp.caught
    assert mail.sender == "portal@riverside.example"
    assert mail.message["From"] == "Riverside Family Services <portal@riverside.example>"
    assert mail.message["Message-ID"] == f"<{queued.id}@riverside.example>"


@pytest.mark.parametrize("sender", ["portal@riverside.example\r\nBcc: evil@example.org", "=?utf-8?q?x?=@a.example"])
async def test_an_unsafe_sender_of_an_agency_is_not_used(
    post: Post, courier: Courier, smtp: Script, sender: str
) -> None:
    await post.sql("update accounts.agencies set sender = $1", sender)
    await courier.deliver((await post.queue()).id)
    [mail] = smtp.caught
    assert mail.sender == SENDER
    assert b"evil" not in smtp.wire


async def test_an_unsafe_agency_name_leaves_the_bare_address_on_the_wire(
    post: Post, courier: Courier, smtp: Script
) -> None:
    await post.sql("update accounts.agencies set name = $1", "Riverside =?utf-8?q?x=0ABcc=3A=20evil=40example.org?=")
    await courier.deliver((await post.queue()).id)
    head = bytes(smtp.wire).partition(b"DATA\r\n")[2].partition(b"\r\n\r\n")[0]
    assert head.startswith(f"From: {SENDER}\r\n".encode())
    assert b"bcc" not in head.lower()


@pytest.mark.parametrize(
    "recipient",
    [
        "a@client.example\r\nRCPT TO:<evil@example.org>",
        "=?utf-8?q?x=0ABcc=3A=20evil=40example.org?=@client.example",
        "a@client.example, evil@example.org",
        "a\x01@client.example",
    ],
)
async def test_an_unsafe_recipient_is_refused_for_good(
    post: Post, courier: Courier, smtp: Script, recipient: str
) -> None:
    queued = await post.queue(recipient=recipient)
    await courier.deliver(queued.id)
    assert smtp.connections == 0
    row = await post.row(queued)
    assert (row["state"], row["sealed_secret"]) == ("failed", None)
    assert await post.attempts(queued) == [(1, "refused", None)]
    [event] = await post.events(queued)
    assert (event.type, event.payload["outcome"]) == ("delivery.failed", "refused")


async def test_the_same_task_twice_sends_one_mail(post: Post, courier: Courier, smtp: Script) -> None:
    queued = await post.queue()
    await courier.deliver(queued.id)
    await courier.deliver(queued.id)
    assert len(smtp.caught) == 1
    assert await post.reported(queued) == ["delivery.accepted"]


async def test_two_workers_at_once_send_one_mail(post: Post, make_courier: MakeCourier, smtp: Script) -> None:
    queued = await post.queue()
    couriers = [make_courier(smtp) for _ in range(5)]
    await asyncio.gather(*(courier.deliver(queued.id) for courier in couriers for _ in range(2)))
    assert len(smtp.caught) == 1
    assert await post.attempts(queued) == [(1, "accepted", 250)]
    assert await post.reported(queued) == ["delivery.accepted"]


async def test_an_unknown_id_is_dropped(courier: Courier, smtp: Script) -> None:
    with capture_logs() as logs:
        await courier.deliver(uuid4())
    assert smtp.connections == 0
    assert [entry["event"] for entry in logs] == ["unknown delivery dropped"]


async def test_a_mail_put_off_goes_out_later_with_the_same_message_id_and_secret(
    post: Post, courier: Courier, smtp: Script, clock: FakeClock, make_courier: MakeCourier
) -> None:
    smtp.replies["DATA"] = ["451 4.3.0 try again"]
    make_courier.jitter = 1.0
    queued = await post.queue()
    await courier.deliver(queued.id)
    row = await post.row(queued)
    assert (row["state"], row["lease_until"], row["next_attempt_at"]) == (
        "queued",
        None,
        clock() + timedelta(seconds=30),
    )
    assert row["sealed_secret"] is not None
    await courier.deliver(queued.id)
    assert len(smtp.caught) == 1, "it is not due yet"
    clock.advance(seconds=30)
    await post.sql("update accounts.agencies set sender = 'later@elsewhere.example'")
    await courier.deliver(queued.id)
    first, second = smtp.caught
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert SECRET in second.text
    assert await post.attempts(queued) == [(1, "deferred", 451), (2, "accepted", 250)]
    assert await post.reported(queued) == ["delivery.deferred", "delivery.accepted"]


async def test_backoff_doubles_up_to_an_hour() -> None:
    assert [backoff(number, 1.0).total_seconds() for number in (1, 2, 3, 7, 8, 9, 400)] == [
        *(30, 60, 120, 1920, 3600, 3600, 3600)
    ]
    assert backoff(5, 0.0) == timedelta(0)


async def test_a_mail_that_is_always_put_off_is_given_up(post: Post, courier: Courier, smtp: Script) -> None:
    smtp.replies["RCPT"] = ["451 4.7.1 greylisted"] * 20
    queued = await post.queue()
    for _ in range(TRIES + 2):
        await courier.deliver(queued.id)
    row = await post.row(queued)
    assert (row["state"], row["attempts"], row["sealed_secret"]) == ("failed", TRIES, None)
    assert await post.attempts(queued) == [(n, "deferred", 451) for n in range(1, TRIES + 1)]
    assert await post.reported(queued) == ["delivery.deferred"] * (TRIES - 1) + ["delivery.failed"]


async def test_a_refused_mail_is_not_tried_again(post: Post, courier: Courier, smtp: Script) -> None:
    smtp.replies["RCPT"] = ["550 5.1.1 no such user"]
    queued = await post.queue()
    await courier.deliver(queued.id)
    await courier.deliver(queued.id)
    assert smtp.connections == 1
    row = await post.row(queued)
    assert (row["state"], row["sealed_secret"]) == ("failed", None)
    assert await post.attempts(queued) == [(1, "refused", 550)]
    [event, _] = await post.events(queued)
    assert (event.type, event.payload["outcome"]) == ("delivery.failed", "refused")


async def test_a_server_that_cannot_be_reached_uses_up_no_try(
    post: Post, make_courier: MakeCourier, smtp: Script
) -> None:
    away = make_courier(Script(port=1))
    queued = await post.queue()
    for _ in range(TRIES + 3):
        await away.deliver(queued.id)
    assert {outcome for _, outcome, _ in await post.attempts(queued)} == {"unreachable"}
    await make_courier(smtp).deliver(queued.id)
    assert (await post.row(queued))["state"] == "accepted"
    assert len(smtp.caught) == 1


async def test_an_unknown_outcome_gets_one_more_try(post: Post, courier: Courier, smtp: Script) -> None:
    smtp.replies["DATA"] = ["drop"]
    queued = await post.queue()
    await courier.deliver(queued.id)
    assert (await post.row(queued))["sealed_secret"] is not None
    await courier.deliver(queued.id)
    first, second = smtp.caught
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert SECRET in first.text
    assert SECRET in second.text
    assert await post.attempts(queued) == [(1, "unknown", None), (2, "accepted", 250)]


async def test_two_unknown_outcomes_are_enough(post: Post, courier: Courier, smtp: Script) -> None:
    smtp.replies["DATA"] = ["drop", "silence", "drop"]
    queued = await post.queue()
    for _ in range(3):
        await courier.deliver(queued.id)
    assert len(smtp.caught) == 2
    assert await post.attempts(queued) == [(1, "unknown", None), (2, "unknown", None)]
    events = await post.events(queued)
    assert [(e.type, e.payload["outcome"]) for e in events] == [
        ("delivery.deferred", "unknown"),
        ("delivery.failed", "unknown"),
    ]


async def test_staff_of_an_agency_without_contract_are_written_to(post: Post, courier: Courier, smtp: Script) -> None:
    await post.sql("update accounts.agencies set contracted = false")
    staff_user_id = uuid4()
    context = {"username": "nextstep", "staff_url": "http://localhost:8081/riverside/", "agency_name": "Riverside"}
    queued = await post.queue(mail="staff_invitation", staff_user_id=staff_user_id, context=context)
    await courier.deliver(queued.id)
    [mail] = smtp.caught
    assert "http://localhost:8081/riverside/" in mail.text
    [event] = await post.events(queued)
    assert event.type == "delivery.accepted"
    assert event.subject == Subject(staff_user_id=staff_user_id)


async def test_an_agency_without_contract_sends_nothing(post: Post, courier: Courier, smtp: Script) -> None:
    queued = await post.queue()
    await post.sql("update accounts.agencies set contracted = false")
    await courier.deliver(queued.id)
    assert smtp.connections == 0
    row = await post.row(queued)
    assert (row["state"], row["sealed_secret"], row["attempts"]) == ("cancelled", None, 0)
    assert await post.attempts(queued) == []
    [event] = await post.events(queued)
    assert (event.type, event.payload["reason"]) == ("delivery.cancelled", "agency not contracted")


async def test_what_expired_is_not_sent(post: Post, courier: Courier, smtp: Script, clock: FakeClock) -> None:
    queued = await post.queue(hours=1)
    clock.advance(hours=1)
    await courier.deliver(queued.id)
    assert smtp.connections == 0
    row = await post.row(queued)
    assert (row["state"], row["sealed_secret"]) == ("expired", None)
    assert await post.reported(queued) == ["delivery.expired"]


async def test_a_superseded_mail_is_not_sent(post: Post, courier: Courier, smtp: Script) -> None:
    old = await post.queue(secret="old-secret-1")
    new = await post.queue(secret="new-secret-2", portal_login_id=old.portal_login_id)
    await courier.deliver(old.id)
    await courier.deliver(new.id)
    [mail] = smtp.caught
    assert "new-secret-2" in mail.text
    assert (await post.row(old))["state"] == "superseded"
    assert await post.attempts(old) == []


async def test_superseded_while_the_server_is_greeted_sends_nothing(post: Post, courier: Courier, smtp: Script) -> None:
    old = await post.queue()

    async def supersede() -> None:
        await post.queue(portal_login_id=old.portal_login_id)

    smtp.before["RCPT"] = supersede
    await courier.deliver(old.id)
    assert smtp.caught == []
    assert (await post.row(old))["state"] == "superseded"
    assert await post.attempts(old) == [(1, "withdrawn", None)]
    assert await post.reported(old) == []


@pytest.mark.parametrize("reply", ["250 OK", "451 later", "550 no", "drop"])
async def test_superseded_while_it_is_handed_over_stays_so_and_the_attempt_is_kept(
    post: Post, courier: Courier, smtp: Script, reply: str
) -> None:
    old = await post.queue()

    async def supersede() -> None:
        smtp.before.clear()
        await post.queue(portal_login_id=old.portal_login_id)

    smtp.before["DATA"] = supersede
    smtp.replies["DATA"] = [reply]
    await courier.deliver(old.id)
    row = await post.row(old)
    assert (row["state"], row["sealed_secret"]) == ("superseded", None)
    [(number, outcome, _)] = await post.attempts(old)
    assert (number, outcome) == (1, {"2": "accepted", "4": "deferred", "5": "refused", "d": "unknown"}[reply[0]])
    assert await post.reported(old) == []


async def test_a_dead_workers_delivery_is_taken_after_its_lease(
    post: Post, make_courier: MakeCourier, smtp: Script, clock: FakeClock
) -> None:
    queued = await post.queue()
    async with mail_server() as hanging:
        hanging.replies["greeting"] = ["silence"]
        make_courier.patience = replace(make_courier.patience, until_content=60)
        dying = asyncio.create_task(make_courier(hanging).deliver(queued.id))
        while hanging.connections == 0:
            await asyncio.sleep(0.01)
        dying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await dying
    courier = make_courier(smtp)
    await courier.deliver(queued.id)
    assert smtp.connections == 0, "the lease still holds"
    clock.advance(seconds=151)
    await courier.deliver(queued.id)
    assert len(smtp.caught) == 1
    assert await post.attempts(queued) == [(1, "interrupted", None), (2, "accepted", 250)]


async def test_a_mail_that_kills_its_workers_is_given_up(
    post: Post, courier: Courier, smtp: Script, clock: FakeClock
) -> None:
    queued = await post.queue()
    for number in range(1, TRIES + 1):
        await post.sql(
            "insert into mail.delivery_attempts (delivery_id, agency_id, number, started_at) values ($1, $2, $3, $4)",
            *(queued.id, post.agency.id, number, clock()),
        )
    await post.sql("update mail.deliveries set state = 'sending', attempts = $1, lease_until = $2", TRIES, clock())
    clock.advance(seconds=1)
    await courier.deliver(queued.id)
    assert smtp.connections == 0
    row = await post.row(queued)
    assert (row["state"], row["sealed_secret"], row["attempts"]) == ("failed", None, TRIES)
    assert {outcome for _, outcome, _ in await post.attempts(queued)} == {"interrupted"}
    [event] = await post.events(queued)
    assert (event.type, event.payload["outcome"]) == ("delivery.failed", "interrupted")


async def test_a_slow_worker_whose_lease_ran_out_still_says_that_it_sent_the_mail(
    post: Post, courier: Courier, make_courier: MakeCourier, smtp: Script, clock: FakeClock
) -> None:
    queued = await post.queue()
    second = make_courier(smtp)

    async def meanwhile() -> None:
        smtp.before.clear()
        clock.advance(minutes=10)
        smtp.before["RCPT"] = wait
        others.append(asyncio.create_task(second.deliver(queued.id)))
        await taken.wait()

    async def wait() -> None:
        taken.set()
        await sent.wait()

    others: list[asyncio.Task[None]] = []
    taken, sent = asyncio.Event(), asyncio.Event()
    smtp.before["DATA"] = meanwhile
    await courier.deliver(queued.id)
    sent.set()
    await asyncio.gather(*others)
    assert len(smtp.caught) == 1, "the second worker looks once more before its content leaves"
    assert (await post.row(queued))["state"] == "accepted"
    assert await post.attempts(queued) == [(1, "accepted", 250), (2, "withdrawn", None)]
    assert await post.reported(queued) == ["delivery.accepted"]


async def test_a_database_that_is_away_for_a_moment_does_not_lose_what_happened(
    post: Post, make_courier: MakeCourier, smtp: Script, database: Database, clock: FakeClock
) -> None:
    queued = await post.queue()
    owner = await asyncpg.connect(database.owner_url)
    pool = await Pool.open(database.url("portico_notifier"), command_timeout=0.2)
    blocking = owner.transaction()

    async def block() -> None:
        await blocking.start()
        await owner.execute("lock table mail.delivery_attempts")
        asyncio.get_running_loop().call_later(0.5, lambda: tasks.append(asyncio.create_task(blocking.rollback())))

    tasks: list[asyncio.Task[None]] = []
    smtp.before["DATA"] = block
    try:
        make_courier.work = Work(pool, clock, table="mail.outbox")
        await make_courier(smtp).deliver(queued.id)
        assert tasks, "it had to wait"
    finally:
        await asyncio.gather(*tasks)
        await pool.close()
        await owner.close()
    assert (await post.row(queued))["state"] == "accepted"
    assert await post.attempts(queued) == [(1, "accepted", 250)]
    assert await post.reported(queued) == ["delivery.accepted"]


async def test_what_is_sealed_for_another_key_waits_for_it(
    post: Post, courier: Courier, make_courier: MakeCourier, smtp: Script
) -> None:
    private, public = new_key_pair()
    queued = await post.queue(sealer=Sealer(public))
    for _ in range(TRIES + 1):
        await courier.deliver(queued.id)
    assert smtp.connections == 0
    assert (await post.row(queued))["state"] == "queued"
    await make_courier(smtp, private_key=private).deliver(queued.id)
    assert SECRET in smtp.caught[0].text


async def test_a_damaged_box_is_given_up(post: Post, courier: Courier, smtp: Script) -> None:
    queued = await post.queue()
    await post.sql("update mail.deliveries set sealed_secret = 'damaged'")
    await courier.deliver(queued.id)
    assert smtp.connections == 0
    assert (await post.row(queued))["state"] == "failed"
    [event] = await post.events(queued)
    assert event.payload["outcome"] == "error"


async def test_a_defect_is_written_down_without_what_it_failed_on(post: Post, courier: Courier, smtp: Script) -> None:
    queued = await post.queue(context={"username": "cmalek", "agency_name": "x", "portal_url": f"//{SECRET}"})
    with capture_logs() as logs:
        await courier.deliver(queued.id)
    assert await post.attempts(queued) == [(1, "error", None)]
    assert (await post.row(queued))["state"] == "queued"
    assert smtp.connections == 0
    [entry] = [entry for entry in logs if entry["log_level"] == "error"]
    assert (entry["error"], "shared/letters/rendering.py" in entry["where"]) == ("ValueError", True)
    assert SECRET not in str(logs)


async def test_a_reply_that_quotes_the_secret_is_not_kept_as_it_is(post: Post, courier: Courier, smtp: Script) -> None:
    smtp.replies["DATA"] = [f"554 5.7.1 found {SECRET} in it"]
    queued = await post.queue()
    await courier.deliver(queued.id)
    [row] = await post.sql("select reply from mail.delivery_attempts")
    assert row["reply"] == "5.7.1 found [redacted] in it"


async def test_no_secret_is_left_in_rows_and_logs(post: Post, courier: Courier, smtp: Script) -> None:
    smtp.replies["DATA"] = ["451 later", "drop"]
    await post.queue()
    [row] = await post.sql("select id from mail.deliveries")
    with capture_logs() as logs:
        for _ in range(3):
            await courier.deliver(row["id"])
    assert len(smtp.caught) == 3
    assert SECRET not in str(logs)
    for table in ("mail.deliveries", "mail.delivery_attempts", "mail.outbox", "accounts.outbox"):
        rows = await post.sql(f"select to_jsonb(t)::text as row from {table} t")
        assert rows
        for found in rows:
            assert SECRET not in found["row"]
            assert SECRET.encode().hex() not in found["row"]
