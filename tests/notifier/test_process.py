"""The whole notifier: Celery, the loop behind it, probes, an orderly end and a sudden one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from shared.clock import system_clock
from shared.deliveries.queue import OLD_QUEUE, TASK, URGENT_QUEUE, CeleryDeliveryQueue, celery_app
from shared.deliveries.tasks import named
from shared.outbox import Work
from shared.security.tokens import new_signing_key
from shared.streams import STREAM
from tests.notifier.conftest import SECRET, SENDER, Keys, Post
from tests.notifier.processes import Notifier, running, until
from tests.notifier.smtp import PASSWORD, USERNAME, Script, certificate, mail_server
from tests.support.clock import FakeClock
from tests.support.databases import Database


@pytest.fixture
def environment(database: Database, redis_url: str, broker_url: str, keys: Keys, smtp: Script) -> dict[str, str]:
    return {
        "DATABASE_URL": database.url("portico_notifier"),
        "RELAY_DATABASE_URL": database.url("portico_relay"),
        "REDIS_URL": redis_url,
        "CELERY_BROKER_URL": broker_url,
        "SIGNING_KEY": new_signing_key(),
        "SEALING_PRIVATE_KEY": keys.private,
        "AUDIT_URL": "http://127.0.0.1:1",
        "SMTP_URL": f"smtp://127.0.0.1:{smtp.port}",
        "SMTP_SECURITY": "plaintext",
        "MAIL_FROM": SENDER,
        "SWEEP_SECONDS": "60",
    }


@pytest.fixture(autouse=True)
def now(clock: FakeClock) -> None:
    """The processes have the machine's clock, so what is queued for them has it too."""
    clock.set(system_clock())


@pytest.fixture
async def queue(broker_url: str) -> AsyncIterator[CeleryDeliveryQueue]:
    found = CeleryDeliveryQueue(celery_app(broker_url))
    yield found
    found.close()


async def everything_in(url: str) -> str:
    """Every key and value of one database, read type by type (a dump may be compressed)."""
    found: list[Any] = []
    async with Redis.from_url(url) as redis:
        async for key in redis.scan_iter():
            kind = await redis.type(key)
            read = {
                b"string": redis.get,
                b"list": lambda key: redis.lrange(key, 0, -1),
                b"set": redis.smembers,
                b"zset": lambda key: redis.zrange(key, 0, -1),
                b"hash": redis.hgetall,
                b"stream": redis.xrange,
            }[kind]
            found.append((key, await read(key)))
    return str(found)


async def test_a_queued_delivery_is_mailed_reported_and_leaves_no_secret(
    environment: dict[str, str],
    post: Post,
    smtp: Script,
    queue: CeleryDeliveryQueue,
    tmp_path: Path,
    redis_url: str,
    broker_url: str,
) -> None:
    proof = certificate(tmp_path)
    ca = tmp_path / "ca.pem"
    ca.write_text(proof.pem)
    heartbeat = tmp_path / "heartbeat"
    queued = await post.queue()
    async with mail_server(starttls=proof.server, auth=True) as encrypted:
        environment |= {
            "SMTP_URL": f"smtp://{USERNAME}:{PASSWORD}@127.0.0.1:{encrypted.port}",
            "SMTP_SECURITY": "starttls",
            "SMTP_CA_FILE": str(ca),
            "HEARTBEAT_FILE": str(heartbeat),
            "LOG_LEVEL": "debug",
        }
        waiting = json.dumps([str(queued.id)])
        async with Redis.from_url(broker_url) as redis:
            await queue.put_all([str(queued.id)])
            [message] = await redis.lrange(URGENT_QUEUE, 0, -1)
            assert waiting not in message.decode(), "the body is encoded; the headers name nothing"
            before = await everything_in(broker_url)
        async with running(environment, tmp_path / "log") as notifier:

            async def reported() -> bool:
                async with Redis.from_url(redis_url) as redis:
                    return await redis.xlen(STREAM) == 1

            await until(reported)
            # Also what no notifier should ever get, and what is done already.
            await queue.put_all([str(queued.id), "no id", ""])
            app = celery_app(broker_url)
            app.send_task(TASK, args=[{"secret": "a", "to": "b"}], kwargs={"x": 1}, queue=URGENT_QUEUE)
            app.close()

            async def drained() -> bool:
                async with Redis.from_url(broker_url) as redis:
                    return not await redis.llen(URGENT_QUEUE) and not await redis.hlen("unacked")

            await until(drained)

            async def beating() -> bool:
                return heartbeat.exists()

            await until(beating)
            _, metrics = await notifier.probe("/metrics")
            assert 'portico_mail_attempts_total{mail="temporary_password",outcome="accepted"} 1.0' in metrics
            assert (await notifier.probe("/healthz"))[0] == 200
            after = await everything_in(broker_url) + await everything_in(redis_url)
            assert await notifier.stop() == 0
        assert not heartbeat.exists()
        assert len(encrypted.caught) == 1
        assert SECRET in encrypted.caught[0].text
    assert (await post.row(queued))["state"] == "accepted"
    assert "delivery.accepted" in after
    for place in (before, after, notifier.log):
        for secret in (SECRET, PASSWORD, USERNAME + ":", "cmalek@client.example"):
            assert secret not in place
    lines = [json.loads(line) for line in notifier.log.splitlines()]
    assert {"delivery attempt", "message without a delivery's id dropped", "stopped"} <= {
        line["event"] for line in lines
    }
    assert "Traceback" not in notifier.log


async def test_a_worker_that_is_killed_has_its_delivery_taken_over(
    environment: dict[str, str], post: Post, smtp: Script, queue: CeleryDeliveryQueue, tmp_path: Path
) -> None:
    environment |= {"LEASE_SECONDS": "2", "SWEEP_SECONDS": "0.3"}
    smtp.replies["greeting"] = ["silence"]
    queued = await post.queue()

    async def greeted() -> bool:
        return smtp.connections > 0

    async def accepted() -> bool:
        return (await post.row(queued))["state"] == "accepted"

    async with running(environment, tmp_path / "first") as first:
        await queue.put_all([str(queued.id)])
        await until(greeted)
        assert await first.stop(signal.SIGKILL) == -signal.SIGKILL
    async with running(environment, tmp_path / "second"):
        await until(accepted)
    assert len(smtp.caught) == 1
    assert [outcome for _, outcome, _ in await post.attempts(queued)] == ["interrupted", "accepted"]
    assert await post.reported(queued) == ["delivery.accepted"]


async def test_two_replicas_share_the_work_and_outlive_an_empty_broker(
    environment: dict[str, str],
    post: Post,
    smtp: Script,
    queue: CeleryDeliveryQueue,
    tmp_path: Path,
    redis_url: str,
    notifier_work: Work,
) -> None:
    environment |= {"SWEEP_SECONDS": "0.3"}
    async with running(environment, tmp_path / "a") as a, running(environment, tmp_path / "b") as b:
        queued = [await post.queue() for _ in range(20)]
        ids = [str(q.id) for q in queued]

        async def all_mailed() -> bool:
            return len(smtp.caught) >= len(queued)

        await queue.put_all(ids * 3)
        await until(all_mailed)
        lost = await post.queue()
        async with Redis.from_url(redis_url) as redis:
            await redis.flushall()
        # As if the relay had put its task before that: only the sweep can know of it.
        await post.sql("update mail.deliveries set created_at = now() - interval '20 seconds' where id = $1", lost.id)
        queued.append(lost)
        await until(all_mailed)
        await asyncio.sleep(0.2)
        assert sorted(mail.message["Message-ID"] for mail in smtp.caught) == sorted(
            f"<{q.id}@portico.example>" for q in queued
        )
        assert await asyncio.gather(a.stop(), b.stop()) == [0, 0]
        assert all("delivery attempt" in replica.log for replica in (a, b)), "both had some of it"
    for q in queued:
        assert await post.attempts(q) == [(1, "accepted", 250)]


async def test_what_somebody_waits_for_overtakes_a_burst_of_notices(
    environment: dict[str, str], post: Post, smtp: Script, queue: CeleryDeliveryQueue, tmp_path: Path, broker_url: str
) -> None:
    notices = [await post.queue(mail="password_changed", recipient=f"n{n}@client.example") for n in range(30)]
    old = await post.queue(recipient="old@client.example")
    urgent = [await post.queue(recipient=f"u{n}@client.example") for n in range(10)]
    await queue.put_all([named(queued.id, urgent=False) for queued in notices])
    app = celery_app(broker_url)
    # As a publisher of the version before does, and a relay of that version with a name of this one.
    app.send_task(TASK, args=[named(old.id, urgent=False)], queue=OLD_QUEUE)
    app.close()
    await queue.put_all([named(queued.id, urgent=True) for queued in urgent])
    async with running(environment, tmp_path / "log", WORKER_THREADS="1", MAILS_PER_DOMAIN="1"):

        async def all_mailed() -> bool:
            return len(smtp.caught) == 41

        await until(all_mailed)
    order = [mail.recipients[0][0] for mail in smtp.caught]
    assert "".join(order) == "u" * 10 + "o" + "n" * 30


async def test_a_domain_that_hangs_holds_up_no_other(
    environment: dict[str, str], post: Post, smtp: Script, queue: CeleryDeliveryQueue, tmp_path: Path
) -> None:
    environment |= {"SWEEP_SECONDS": "0.5", "WORKER_THREADS": "4", "MAILS_PER_DOMAIN": "2"}
    smtp.hangs_for = "@hangs.example"
    hanging = [await post.queue(recipient=f"h{n}@hangs.example") for n in range(12)]
    others = [await post.queue(recipient=f"o{n}@other.example") for n in range(8)]

    async def others_mailed() -> bool:
        return len(smtp.caught) == len(others)

    async with running(environment, tmp_path / "log") as notifier:
        await queue.put_all([str(q.id) for q in [*hanging, *others]])
        began = time.monotonic()
        await until(others_mailed, 20)
        assert time.monotonic() - began < 15, "a mail may hang for 60 s"
        assert all(mail.recipients[0].endswith("@other.example") for mail in smtp.caught)
        states = [(await post.row(q))["state"] for q in hanging]
        assert states.count("sending") == 2
        assert states.count("queued") == 10
        _, metrics = await notifier.probe("/metrics")
        assert "portico_mail_put_off_total 0" not in metrics
        smtp.hangs_for = "@"
    assert [await post.attempts(q) for q in others] == [[(1, "accepted", 250)]] * 8


async def test_an_end_in_the_middle_of_a_queue_loses_and_doubles_nothing(
    environment: dict[str, str], post: Post, smtp: Script, queue: CeleryDeliveryQueue, tmp_path: Path
) -> None:
    environment |= {"SWEEP_SECONDS": "0.3", "WORKER_THREADS": "4", "MAILS_PER_DOMAIN": "4"}
    queued = [await post.queue() for _ in range(40)]
    held, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def hold() -> None:
        held.release()
        await go_on.wait()

    async with running(environment, tmp_path / "first") as first:
        await queue.put_all([str(q.id) for q in queued])
        smtp.before["DATA"] = hold
        for _ in range(4):
            await held.acquire()
        ending = asyncio.create_task(first.stop())

        async def draining() -> bool:
            return (await first.probe("/readyz"))[0] == 503

        await until(draining)
        smtp.before.clear()
        go_on.set()
        assert await ending == 0
    handed_over = len(smtp.caught)
    states = [(await post.row(q))["state"] for q in queued]
    assert states.count("accepted") == handed_over < len(queued)
    assert set(states) == {"accepted", "queued"}, "none is left in the hands of a process that is gone"
    await post.sql("update mail.deliveries set created_at = now() - interval '1 minute' where finished_at is null")

    async def all_mailed() -> bool:
        return len(smtp.caught) >= len(queued)

    async with running(environment, tmp_path / "second"):
        await until(all_mailed)
    assert sorted(mail.message["Message-ID"] for mail in smtp.caught) == sorted(
        f"<{q.id}@portico.example>" for q in queued
    )


async def test_what_is_in_flight_is_finished_before_the_end(
    environment: dict[str, str], post: Post, smtp: Script, queue: CeleryDeliveryQueue, tmp_path: Path
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def hold() -> None:
        begun.set()
        await go_on.wait()

    smtp.before["DATA"] = hold
    first, second = await post.queue(), await post.queue()
    async with running(environment, tmp_path / "log", WORKER_THREADS="1") as notifier:
        await queue.put_all([str(first.id)])
        await begun.wait()
        ending = asyncio.create_task(notifier.stop())

        async def draining() -> bool:
            return (await notifier.probe("/readyz")) == (503, '{"ready":false,"missing":{"process":"draining"}}')

        await until(draining)
        await queue.put_all([str(second.id)])
        await asyncio.sleep(1.2)
        go_on.set()
        assert await ending == 0
    assert (await post.row(first))["state"] == "accepted"
    assert (await post.row(second))["state"] == "queued", "nothing new is begun"


async def test_what_does_not_end_in_time_is_cut_off(
    environment: dict[str, str], post: Post, smtp: Script, queue: CeleryDeliveryQueue, tmp_path: Path
) -> None:
    smtp.replies["DATA"] = ["silence"]
    queued = await post.queue()

    async def handed_over() -> bool:
        return bool(smtp.caught)

    async with running(environment, tmp_path / "log", SHUTDOWN_SECONDS="1") as notifier:
        await queue.put_all([str(queued.id)])
        await until(handed_over)
        began = time.monotonic()
        assert await notifier.stop() == 0
        assert 1 <= time.monotonic() - began < 6
    row = await post.row(queued)
    assert row["state"] == "sending"
    assert row["lease_until"] is not None


async def test_it_waits_for_servers_that_are_away(
    environment: dict[str, str], post: Post, smtp: Script, tmp_path: Path
) -> None:
    environment |= {"REDIS_URL": "redis://127.0.0.1:1/0", "CELERY_BROKER_URL": "redis://127.0.0.1:1/1"}
    notifier = Notifier(environment, tmp_path / "log")
    await notifier.start()
    try:
        missing: set[str] = set()

        async def told() -> bool:
            status, text = await notifier.probe("/readyz")
            missing.update(json.loads(text)["missing"] if status == 503 else ())
            return {"redis", "broker", "worker"} <= missing

        await until(told)
        assert "database" not in missing
        assert (await notifier.probe("/healthz"))[0] == 200
        assert await notifier.stop() == 0
    finally:
        await notifier.stop(signal.SIGKILL)


async def test_wrong_settings_are_reported_all_at_once(environment: dict[str, str], tmp_path: Path) -> None:
    del environment["SEALING_PRIVATE_KEY"]
    environment |= {"SMTP_URL": "smtps://mail.example", "MAIL_FROM": "no reply", "WORKER_THREADS": "many"}
    notifier = Notifier(environment, tmp_path / "log")
    await notifier.start()
    assert await asyncio.wait_for(notifier.process.wait(), 20) == 2
    for name in ("SEALING_PRIVATE_KEY", "SMTP_SECURITY", "MAIL_FROM", "WORKER_THREADS"):
        assert name in notifier.log
    assert os.linesep + os.linesep not in notifier.log
