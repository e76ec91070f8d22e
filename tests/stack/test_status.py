"""`portico status`: each line tells of its thing, and the worst one decides how the command ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest
from click.testing import Result
from kombu import Connection as Broker
from kombu import Queue
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from typer.testing import CliRunner

from ops.cli import app
from ops.deployment import Deployment
from ops.status import carriers
from ops.status.lines import Line, amount, counted, duration
from ops.status.report import Report, look
from services.audit import store
from services.audit.consumer import Consumer, ensure_group
from services.audit.figures import Figures
from shared.accounts.agencies import Agency
from shared.clock import system_clock
from shared.db import Pool
from shared.deliveries.queue import QUEUES, URGENT_QUEUE, CeleryDeliveryQueue, celery_app
from shared.streams import FIELD, GROUP, STREAM
from tests.audit.events import an_event
from tests.support.databases import Database
from tests.support.forwarding import Forwarding
from tests.support.people import World

NAMES = [
    "accounts outbox unpublished",
    "accounts outbox unconfirmed",
    "mail outbox unpublished",
    "mail outbox unconfirmed",
    "deliveries due",
    "mail channels",
    "stream length",
    "group",
    "unread",
    "pending",
    "consumers",
    "dead letters",
    "events stored",
    "partitions",
    "seals",
    "queue",
    "queue unacknowledged",
]
OUTBOX_ROWS = """
insert into {table} (id, agency_id, kind, body, created_at, published_at, confirmed_at)
select gen_random_uuid(), $1, 'event', '{{}}', now() - make_interval(secs => $3),
    case when $4::float8 is not null then now() - make_interval(secs => $4) end,
    case when $5 then now() end
from generate_series(1, $2)
"""
DELIVERY = """
insert into mail.deliveries (id, agency_id, portal_login_id, client_id, mail, recipient, state, next_attempt_at, lease_until,
    expires_at, message_id, created_at)
values (gen_random_uuid(), $1, gen_random_uuid(), gen_random_uuid(), 'temporary_password', 'a@example.com', 'queued',
    now() - make_interval(secs => $2), now() + make_interval(secs => $3), now() + interval '1 day', gen_random_uuid(), now())
"""


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
async def owner(database: Database) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    conn = await asyncpg.connect(database.owner_url)
    yield conn
    await conn.close()


@pytest.fixture
async def store_pool(database: Database) -> AsyncIterator[Pool]:
    pool = await store.open_pool(database.url("portico_audit"), 2)
    yield pool
    await pool.close()


@pytest.fixture
async def agency(world: World) -> Agency:
    return await world.agency()


@pytest.fixture
async def consumer(store_pool: Pool, redis: Redis) -> Consumer:
    """One that has just looked, so that all is well."""
    found = Consumer(store_pool, redis, name="one", clock=system_clock, figures=Figures(CollectorRegistry()))
    await ensure_group(redis)
    await found.consume_once(wait_milliseconds=1)
    return found


@pytest.fixture
def deployment(database: Database, redis_url: str, broker_url: str) -> Deployment:
    return Deployment(database.owner_url, database.owner_url, redis_url, broker_url)


async def report_of(deployment: Deployment) -> Report:
    return await look(deployment, datetime.now(UTC))


async def line(deployment: Deployment, name: str) -> Line:
    lines = [x for part in (await report_of(deployment)).parts for x in part.lines if x.name == name]
    assert len(lines) == 1, name
    return lines[0]


def environment(deployment: Deployment) -> dict[str, str]:
    urls = {
        "OWNER_DATABASE_URL": deployment.owner_url,
        "AUDIT_OWNER_DATABASE_URL": deployment.audit_owner_url,
        "REDIS_URL": deployment.redis_url,
        "CELERY_BROKER_URL": deployment.broker_url,
    }
    return {name: url for name, url in urls.items() if url}


async def command(deployment: Deployment, *arguments: str) -> Result:
    runner = CliRunner(env=environment(deployment))
    return await asyncio.to_thread(runner.invoke, app, ["status", *arguments])


async def rows(
    owner: asyncpg.Connection[asyncpg.Record],
    table: str,
    agency: Agency,
    count: int = 1,
    *,
    age: float = 0,
    published: float | None = None,
    confirmed: bool = False,
) -> None:
    await owner.execute(OUTBOX_ROWS.format(table=table), agency.id, count, age, published, confirmed)


async def test_when_all_is_well_every_line_says_so(deployment: Deployment, consumer: Consumer) -> None:
    report = await report_of(deployment)
    assert [(x.name, x.state) for part in report.parts for x in part.lines] == [(name, "ok") for name in NAMES]
    done = await command(deployment)
    assert done.exit_code == 0
    for name in NAMES:
        assert name in done.stdout


async def test_the_json_has_each_line_by_name(deployment: Deployment, consumer: Consumer) -> None:
    done = await command(deployment, "--json")
    said = json.loads(done.stdout)
    assert said.keys() == {"at", "state", "unreachable", "lines"}
    assert (said["state"], said["unreachable"]) == ("ok", {})
    assert list(said["lines"]) == [name.replace(" ", "_") for name in NAMES]
    for found in said["lines"].values():
        assert found.keys() == {"part", "state", "value", "normal", "figures"}
    assert said["lines"]["accounts_outbox_unpublished"]["figures"] == {"rows": 0, "oldest_seconds": None}
    [consumer_line] = said["lines"]["consumers"]["figures"]["consumers"]
    assert (consumer_line["name"], consumer_line["pending"]) == ("one", 0)


@pytest.mark.parametrize("schema", ["accounts", "mail"])
async def test_rows_that_are_not_published(
    deployment: Deployment, owner: asyncpg.Connection[asyncpg.Record], agency: Agency, schema: str
) -> None:
    name, table = f"{schema} outbox unpublished", f"{schema}.outbox"
    await rows(owner, table, agency, 2)
    assert ((await line(deployment, name)).figures["rows"], (await line(deployment, name)).state) == (2, "ok")
    await rows(owner, table, agency, age=30)
    assert (await line(deployment, name)).state == "look"
    await rows(owner, table, agency, age=400)
    found = await line(deployment, name)
    assert (found.state, found.value) == ("bad", "4 rows, the oldest 7 min")
    await owner.execute(f"update {table} set published_at = now(), confirmed_at = now()")
    assert (await line(deployment, name)).value == "0 rows"


@pytest.mark.parametrize("schema", ["accounts", "mail"])
async def test_rows_that_the_audit_store_did_not_confirm(
    deployment: Deployment, owner: asyncpg.Connection[asyncpg.Record], agency: Agency, schema: str
) -> None:
    name, table = f"{schema} outbox unconfirmed", f"{schema}.outbox"
    await rows(owner, table, agency, 3, age=5000, published=5000, confirmed=True)
    assert (await line(deployment, name)).value == "0 events"
    await rows(owner, table, agency, age=5000, published=60)
    assert ((await line(deployment, name)).figures["rows"], (await line(deployment, name)).state) == (1, "ok")
    await rows(owner, table, agency, age=5000, published=240)
    assert (await line(deployment, name)).state == "look"
    await rows(owner, table, agency, age=5000, published=1200)
    assert (await line(deployment, name)).state == "bad"


async def test_an_owner_who_is_no_superuser_sees_the_rows_as_well(
    deployment: Deployment, owner: asyncpg.Connection[asyncpg.Record], agency: Agency
) -> None:
    await rows(owner, "accounts.outbox", agency, 2)
    await rows(owner, "mail.outbox", agency, 2)
    await owner.execute(DELIVERY, agency.id, 300.0, 0.0)
    # Has the owner's rights and policies, and is held to row-level security, which a superuser is not.
    name = f"plain_{uuid4().hex}"
    await owner.execute(f"create role {name} login password 'plain'")
    await owner.execute(f"grant portico_owner to {name}")
    try:
        url = urlsplit(deployment.owner_url)
        host = url.netloc.rpartition("@")[2]
        plain = replace(deployment, owner_url=url._replace(netloc=f"{name}:plain@{host}").geturl())
        assert (await line(plain, "accounts outbox unpublished")).figures["rows"] == 2
        assert (await line(plain, "mail outbox unpublished")).figures["rows"] == 2
        assert (await line(plain, "deliveries due")).figures["due"] == 1
    finally:
        await owner.execute(f"drop role {name}")


async def test_very_many_rows_are_counted_no_further_than_needed(
    deployment: Deployment, owner: asyncpg.Connection[asyncpg.Record], agency: Agency
) -> None:
    await rows(owner, "accounts.outbox", agency, 100_000)
    found = await line(deployment, "accounts outbox unpublished")
    assert found.figures["rows"] == 100_000
    assert found.value.startswith("100,000 rows")
    await rows(owner, "accounts.outbox", agency, 5)
    found = await line(deployment, "accounts outbox unpublished")
    assert found.figures["rows"] == 100_001
    assert (found.value.startswith("more than 100,000 rows"), found.state) == (True, "look")


async def test_deliveries_that_are_due(
    deployment: Deployment, owner: asyncpg.Connection[asyncpg.Record], agency: Agency
) -> None:
    # Not yet due; in a worker's hands.
    await owner.execute(DELIVERY, agency.id, -600.0, 0.0)
    await owner.execute(DELIVERY, agency.id, 600.0, 60.0)
    found = await line(deployment, "deliveries due")
    assert (found.state, found.value) == ("ok", "0 due; 2 not finished")
    await owner.execute(DELIVERY, agency.id, 300.0, 0.0)
    found = await line(deployment, "deliveries due")
    assert (found.state, found.value) == ("look", "1 due, the oldest 5 min; 3 not finished")
    await owner.execute(DELIVERY, agency.id, 3600.0, -1.0)
    found = await line(deployment, "deliveries due")
    assert (found.state, found.figures["due"], found.figures["unfinished"]) == ("bad", 2, 4)


async def test_a_group_that_is_not_there(deployment: Deployment, redis: Redis) -> None:
    assert (await line(deployment, "group")).state == "bad"
    await redis.xadd(STREAM, {FIELD: "x"})
    assert (await line(deployment, "group")).state == "bad"
    assert (await line(deployment, "stream length")).figures["entries"] == 1
    await ensure_group(redis)
    assert (await line(deployment, "group")).state == "ok"
    found = await line(deployment, "consumers")
    assert (found.state, found.value) == ("bad", "0 at work")


async def test_entries_that_nobody_read(deployment: Deployment, consumer: Consumer, redis: Redis) -> None:
    now = int(time.time() * 1000)
    await redis.xadd(STREAM, {FIELD: "x"}, id=f"{now - 120_000}-0")
    await redis.xadd(STREAM, {FIELD: "x"}, id=f"{now - 30_000}-0")
    found = await line(deployment, "unread")
    assert (found.state, found.figures["entries"], found.value) == ("bad", 2, "2 entries, the oldest 2 min")
    await redis.xreadgroup(GROUP, "one", {STREAM: ">"}, count=1)
    assert ((await line(deployment, "unread")).state, (await line(deployment, "unread")).figures["entries"]) == (
        "look",
        1,
    )
    await redis.xreadgroup(GROUP, "one", {STREAM: ">"}, count=1)
    assert (await line(deployment, "unread")).value == "0 entries"


async def test_entries_that_redis_cannot_count(deployment: Deployment, consumer: Consumer, redis: Redis) -> None:
    ids = [await redis.xadd(STREAM, {FIELD: "x"}) for _ in range(4)]
    await redis.xreadgroup(GROUP, "one", {STREAM: ">"}, count=1)
    await redis.xdel(STREAM, ids[2])
    found = await line(deployment, "unread")
    assert (found.figures["entries"], found.value.startswith("some entries, the oldest")) == (None, True)


async def test_entries_that_were_read_and_not_acknowledged(
    deployment: Deployment, consumer: Consumer, redis: Redis
) -> None:
    first, second = [await redis.xadd(STREAM, {FIELD: "x"}) for _ in range(2)]
    await redis.xreadgroup(GROUP, "one", {STREAM: ">"})
    found = await line(deployment, "pending")
    assert (found.state, found.figures["entries"]) == ("ok", 2)
    await redis.xclaim(STREAM, GROUP, "one", 0, [second], idle=200_000)
    assert (await line(deployment, "pending")).state == "look"
    await redis.xclaim(STREAM, GROUP, "one", 0, [first], idle=900_000)
    found = await line(deployment, "pending")
    assert (found.state, found.value) == ("bad", "2 entries, the longest for 15 min")
    await redis.xack(STREAM, GROUP, first, second)
    assert (await line(deployment, "pending")).value == "0 entries"


async def test_consumers_that_were_not_heard(
    deployment: Deployment, consumer: Consumer, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await line(deployment, "consumers")
    assert (found.state, found.figures["at_work"]) == ("ok", 1)
    assert found.value.startswith("1 at work: one (")
    monkeypatch.setattr(carriers, "HEARD_SECONDS", 0.0)
    found = await line(deployment, "consumers")
    assert (found.state, found.figures["at_work"]) == ("bad", 0)


@pytest.mark.parametrize(("entries", "state"), [(99, "ok"), (100, "look"), (200, "bad")])
async def test_a_stream_that_nobody_trims(
    deployment: Deployment, redis: Redis, entries: int, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carriers, "STREAM_ENTRIES", replace(carriers.STREAM_ENTRIES, look=100, bad=200))
    async with redis.pipeline(transaction=False) as pipe:
        for _ in range(entries):
            pipe.xadd(STREAM, {FIELD: "x"})
        await pipe.execute()
    found = await line(deployment, "stream length")
    assert (found.state, found.figures["entries"]) == (state, entries)


async def test_dead_letters(
    deployment: Deployment, store_pool: Pool, owner: asyncpg.Connection[asyncpg.Record], consumer: Consumer
) -> None:
    event = an_event()
    async with store_pool.transaction(None) as conn:
        for number, event_id in enumerate((event.id, uuid4())):
            await store.insert_dead_letter(
                conn, stream_id=f"1-{number}", event_id=event_id, body="x", reason="x", now=datetime.now(UTC)
            )
    found = await line(deployment, "dead letters")
    assert (found.state, found.figures["waiting"], found.figures["stored"]) == ("look", 2, 0)
    assert (await command(deployment)).exit_code == 1
    async with store_pool.transaction(None) as conn:
        await store.append(conn, [store.entry_of(event.to_json())])
    found = await line(deployment, "dead letters")
    assert (found.state, found.figures["waiting"], found.figures["stored"]) == ("look", 1, 1)
    await owner.execute("update audit.dead_letters set discarded_at = now() where event_id <> $1", event.id)
    found = await line(deployment, "dead letters")
    assert (found.state, found.value) == ("ok", "0 waiting; 1 more whose event is stored")


async def test_the_newest_event(
    deployment: Deployment, store_pool: Pool, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    assert (await line(deployment, "events stored")).value == "none yet"
    old, future = an_event(at=datetime.now(UTC)), an_event(at=datetime(2199, 1, 1, tzinfo=UTC))
    async with store_pool.transaction(None) as conn:
        await store.append(conn, [store.entry_of(e.to_json()) for e in (old, future)])
    await owner.execute("update audit.events set stored_at = now() - interval '3 hours' where id = $1", old.id)
    assert (await line(deployment, "events stored")).value == "the newest 3 h ago"


async def test_a_partition_that_is_missing(
    deployment: Deployment, owner: asyncpg.Connection[asyncpg.Record], consumer: Consumer
) -> None:
    following = datetime.now(UTC).year + 1
    await owner.execute(f"drop table audit.events_{following}")
    found = await line(deployment, "partitions")
    assert (found.state, found.value) == ("look", f"missing: {following}")
    assert found.figures == {"this_year": True, "next_year": False}


async def test_chains_that_go_on_beyond_their_seal(
    deployment: Deployment, store_pool: Pool, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    async with store_pool.transaction(None) as conn:
        await store.append(conn, [store.entry_of(an_event(at=datetime.now(UTC)).to_json())])
    found = await line(deployment, "seals")
    assert (found.state, found.figures["chains_waiting"], found.figures["last_seconds"]) == ("ok", 1, None)
    await owner.execute(
        "insert into audit.seals (agency_id, year, seq, link, unchained, sealed_at, kid, signature)"
        " select agency_id, year, 0, link, 0, now() - interval '10 minutes', 'k', '' from audit.chains"
    )
    await owner.execute("update audit.chains set unsealed_since = now() - interval '20 minutes'")
    found = await line(deployment, "seals")
    said = "1 waiting, the longest for 20 min; the last seal 10 min ago"
    assert (found.state, found.value) == ("look", said)
    await owner.execute("update audit.chains set unsealed_since = now() - interval '3 hours'")
    assert (await line(deployment, "seals")).state == "bad"
    await owner.execute("update audit.chains set sealed_seq = seq, unsealed_since = null")
    found = await line(deployment, "seals")
    assert (found.state, found.value) == ("ok", "0 waiting; the last seal 10 min ago")


async def test_channels_that_take_no_mail(
    deployment: Deployment, owner: asyncpg.Connection[asyncpg.Record], agency: Agency
) -> None:
    assert (await line(deployment, "mail channels")).value == "none refused"
    refused = (
        "insert into mail.channels (agency_id, since, paused_until, refusals, code, reply)"
        " values ($1, now() - interval '20 minutes', now() + interval '5 minutes', 3, $2, $3)"
    )
    await owner.execute(refused, agency.id, 550, "5.7.1 not this sender")
    found = await line(deployment, "mail channels")
    assert (found.state, found.figures["refusing"][0]["agency"]) == ("look", agency.slug)  # type: ignore[index]
    await owner.execute(refused, None, None, "The mail server offers no way to sign in that we know.")
    found = await line(deployment, "mail channels")
    assert found.state == "bad"
    assert found.value == (
        "all mail refused for 20 min, next try in 5 min: The mail server offers no way to sign in that we know."
        f"; mail of {agency.slug} refused for 20 min, next try in 5 min: 550 5.7.1 not this sender"
    )


async def test_tasks_in_the_queue_and_in_workers_hands(deployment: Deployment, broker_url: str) -> None:
    queue = CeleryDeliveryQueue(celery_app(broker_url))
    await queue.put_all([str(uuid4()) for _ in range(3)])
    queue.close()
    assert (await line(deployment, "queue")).figures == {"tasks": 3}
    with Broker(broker_url) as broker, broker.channel() as channel:
        assert Queue(URGENT_QUEUE)(channel).get(no_ack=False) is not None
        assert (await line(deployment, "queue")).figures == {"tasks": 2}
        found = await line(deployment, "queue unacknowledged")
        assert (found.state, found.figures["tasks"]) == ("ok", 1)
        async with Redis.from_url(broker_url) as redis:
            [tag] = await redis.zrange("unacked_index", 0, -1)
            await redis.zadd("unacked_index", {tag: time.time() - 600})
        found = await line(deployment, "queue unacknowledged")
        assert (found.state, found.value) == ("look", "1 task, the oldest 10 min")


async def test_a_queue_that_nobody_works_off(deployment: Deployment, broker_url: str) -> None:
    async with Redis.from_url(broker_url) as redis:
        for queue, count in zip(QUEUES, (200, 300, 500), strict=True):
            await redis.rpush(queue, *["x"] * count)
    found = await line(deployment, "queue")
    assert (found.state, found.value) == ("look", "1,000 tasks")


async def test_what_cannot_be_reached_is_a_line_and_the_rest_is_shown(
    deployment: Deployment, consumer: Consumer
) -> None:
    async with Forwarding(deployment.owner_url) as postgres, Forwarding(deployment.redis_url or "") as valkey:
        for changed, parts in (
            ({"owner_url": postgres.url}, {"accounts database"}),
            ({"audit_owner_url": postgres.url}, {"audit store"}),
            ({"redis_url": valkey.url}, {"events in redis"}),
            ({"broker_url": valkey.url, "redis_url": valkey.url}, {"events in redis", "deliveries in redis"}),
        ):
            broken: Any = replace(deployment, **changed)
            done = await command(broken, "--json")
            said = json.loads(done.stdout)
            assert (done.exit_code, said["state"], said["unreachable"].keys()) == (2, "bad", parts)
            there = {name: x for name, x in said["lines"].items() if x["part"] not in parts}
            assert {x["state"] for x in there.values()} == {"ok"}
            for part in parts:
                assert said["lines"][part.replace(" ", "_")]["value"].startswith("cannot be reached: ")
            text = await command(broken)
            assert (text.exit_code, "cannot be reached: " in text.stdout) == (2, True)
            assert "Traceback" not in text.output


async def test_no_password_is_in_what_is_said(deployment: Deployment) -> None:
    wrong = replace(
        deployment,
        owner_url="postgresql://portico_owner:topsecret@127.0.0.1:1/portico",
        redis_url="redis://:topsecret@127.0.0.1:1/0",
    )
    for url in (deployment.owner_url.replace("portico_owner:", "portico_owner:topsecret"), wrong.owner_url):
        done = await command(replace(wrong, owner_url=url), "--json")
        assert done.exit_code == 2
        assert "topsecret" not in done.output


async def test_what_is_not_named_or_not_of_this_version_is_told(deployment: Deployment, database: Database) -> None:
    empty = f"{database.owner_url.rpartition('/')[0]}/postgres"
    report = await report_of(replace(deployment, owner_url=empty, redis_url=None))
    away = report.as_json()["unreachable"]
    assert away["accounts database"].endswith("run `portico migrate`")
    assert away["events in redis"] == "REDIS_URL is not set"
    assert report.exit_code == 2


async def test_it_looks_again_and_again_until_it_is_told_to_stop(
    deployment: Deployment, consumer: Consumer, store_pool: Pool
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "ops", "status", "--watch", "0.5", "--json"),
        env={**os.environ, **environment(deployment)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert json.loads(await process.stdout.readline())["lines"]["dead_letters"]["state"] == "ok"
            async with store_pool.transaction(None) as conn:
                await store.insert_dead_letter(
                    conn, stream_id="1-1", event_id=None, body="x", reason="x", now=datetime.now(UTC)
                )
            while json.loads(await process.stdout.readline())["lines"]["dead_letters"]["state"] == "ok":
                pass
            process.send_signal(signal.SIGINT)
            await process.stdout.read()
            assert await process.wait() == 1
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def test_amounts_and_times_are_said_shortly() -> None:
    said = [duration(s) for s in (-1, 0.04, 9.96, 59, 60, 119, 120, 3600, 7300, 86_400, 180_000)]
    assert said == ["0.0 s", "0.0 s", "10.0 s", "59 s", "1 min", "119 s", "2 min", "1 h", "2 h", "1 d", "2 d"]
    assert (counted(1, "row", "rows"), counted(2, "row", "rows")) == ("1 row", "2 rows")
    assert (amount(100_000), amount(100_001), amount(3, 2)) == ("100,000", "more than 100,000", "more than 2")
