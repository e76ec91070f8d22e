"""From the stream into the store: each event once, and nothing broken in the way of the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from services.audit import consumer as consuming
from services.audit.consumer import Consumer, ensure_group
from shared.db import Pool
from shared.events import Envelope
from shared.streams import FIELD, GROUP, STREAM
from tests.audit.events import an_event, consume_all, events, figure, owner_fetch, pending, put, stored
from tests.support.clock import FakeClock
from tests.support.databases import Database
from tests.support.pipeline import a_consumer


@pytest.fixture
async def consumer(store_pool: Pool, redis: Redis, clock: FakeClock) -> Consumer:
    await ensure_group(redis)
    return a_consumer(store_pool, redis, clock)


async def test_what_is_on_the_stream_is_stored_as_it_is_and_acknowledged(
    consumer: Consumer, redis: Redis, database: Database
) -> None:
    sent = events(3)
    await put(redis, *sent)
    await consume_all(consumer)
    rows = await owner_fetch(database, "select event from audit.events order by id")
    assert [Envelope.model_validate_json(r["event"]) for r in rows] == sent
    assert await pending(redis) == 0


async def test_what_a_newer_publisher_adds_to_its_events_is_kept(
    consumer: Consumer, redis: Redis, database: Database
) -> None:
    event = an_event()
    await put(redis, (event.id, _changed(event, trace="abc")))
    await consume_all(consumer)
    rows = await owner_fetch(database, "select event::json ->> 'trace' as trace from audit.events")
    assert [r["trace"] for r in rows] == ["abc"]


async def test_an_event_that_comes_twice_is_stored_once(consumer: Consumer, redis: Redis, database: Database) -> None:
    sent = events(5)
    await put(redis, *sent, *sent[:2])
    await consume_all(consumer)
    await put(redis, *sent)
    await consume_all(consumer)
    assert await stored(database) == [e.id for e in sent]
    assert (figure(consumer, "stored"), figure(consumer, "duplicates")) == (5, 7)


def _changed(event: Envelope, **fields: object) -> str:
    return json.dumps(json.loads(event.to_json()) | fields)


_LONG = "".join(map(str, range(9000)))
POISON: list[tuple[str, Callable[[Envelope], str | bytes]]] = [
    ("no JSON", lambda _: b"\xff\x00not json"),
    ("no event", lambda _: "[1, 2]"),
    ("a field is missing", lambda e: _changed(e, agency_id=None)),
    ("text that PostgreSQL refuses", lambda e: _changed(e, type="a\x00b")),
    ("a number out of range", lambda e: _changed(e, version=70_000)),
    ("too long for an index", lambda e: _changed(e, type=_LONG, subject={"client_id": str(uuid4())})),
    ("no UTF-8", lambda e: _changed(e, more="?").encode().replace(b"?", b"\xff")),
    ("no number", lambda e: _changed(e, payload={"x": float("nan")})),
    ("nested too deeply", lambda e: _changed(e, more="?").replace('"?"', "[" * 9000 + "]" * 9000)),
    ("a time out of range", lambda e: _changed(e, occurred_at="0001-01-01T00:00:00+14:00")),
]


async def test_poison_events_become_dead_letters_and_the_rest_is_stored(
    consumer: Consumer, redis: Redis, database: Database
) -> None:
    good, victims = events(5 * (len(POISON) + 1)), events(len(POISON))
    sent: list[Envelope | tuple[UUID, str | bytes]] = list(good[:5])
    for number, (_, broken) in enumerate(POISON):
        sent += [(victims[number].id, broken(victims[number])), *good[5 * (number + 1) : 5 * (number + 2)]]
    ids = await put(redis, *sent)
    await consume_all(consumer)
    assert await stored(database) == [e.id for e in good]
    letters = await owner_fetch(database, "select stream_id, event_id, reason from audit.dead_letters order by id")
    found = {r["stream_id"]: (r["event_id"], bool(r["reason"])) for r in letters}
    for number, (what, _) in enumerate(POISON):
        stream_id = ids[5 + 6 * number].decode()
        assert found.pop(stream_id, None) == (victims[number].id, True), what
    assert found == {}
    assert await pending(redis) == 0
    assert (figure(consumer, "stored"), figure(consumer, "dead_letters")) == (len(good), len(POISON))


async def test_an_entry_without_an_event_is_a_dead_letter(consumer: Consumer, redis: Redis, database: Database) -> None:
    await redis.xadd(STREAM, {"something": "else"})
    await consume_all(consumer)
    letters = await owner_fetch(database, "select reason from audit.dead_letters")
    assert [r["reason"] for r in letters] == [f"the entry has no field {FIELD}"]


async def test_a_dead_letter_that_is_delivered_again_is_kept_once(
    consumer: Consumer, redis: Redis, database: Database
) -> None:
    await put(redis, (uuid4(), "no event"))
    entries = await redis.xrange(STREAM)
    await consumer.settle(entries)
    await consumer.settle(entries)
    assert len(await owner_fetch(database, "select id from audit.dead_letters")) == 1


async def test_an_unknown_event_is_stored_and_belongs_to_the_logs_of_whom_it_names(
    consumer: Consumer, redis: Redis, database: Database
) -> None:
    about = an_event(client_id=uuid4(), portal_login_id=uuid4()).model_copy(update={"type": "portal_login.blessed"})
    nobody = an_event().model_copy(update={"type": "weather.changed"})
    await put(redis, about, nobody)
    await consume_all(consumer)
    rows = await owner_fetch(database, "select type, in_activity, change_type from audit.events order by id")
    assert [tuple(r) for r in rows] == [
        ("portal_login.blessed", True, "portal_login.blessed"),
        ("weather.changed", False, None),
    ]


async def test_what_a_dead_consumer_left_is_claimed_however_much_it_is(
    store_pool: Pool, redis: Redis, clock: FakeClock, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ensure_group(redis)
    monkeypatch.setattr(consuming, "BATCH", 20)
    sent = events(450)
    await put(redis, *sent)
    await redis.xreadgroup(GROUP, "dead", {STREAM: ">"}, count=450)
    patient = a_consumer(store_pool, redis, clock, "patient", claim_idle=60_000)
    assert await patient.claim() == 0
    heir = a_consumer(store_pool, redis, clock, "heir", claim_idle=0)
    assert await heir.claim() == 450
    assert await stored(database) == [e.id for e in sent]
    assert await pending(redis) == 0


async def test_entries_that_vanished_while_they_were_pending_hold_nobody_up(
    consumer: Consumer, store_pool: Pool, redis: Redis, clock: FakeClock, database: Database
) -> None:
    sent = events(4)
    ids = await put(redis, *sent)
    await redis.xreadgroup(GROUP, consumer.name, {STREAM: ">"}, count=2)
    await redis.xreadgroup(GROUP, "dead", {STREAM: ">"}, count=2)
    await redis.xdel(STREAM, ids[0], ids[2])
    await consumer.join()
    await a_consumer(store_pool, redis, clock, "heir", claim_idle=0).claim()
    assert await stored(database) == [sent[1].id, sent[3].id]
    assert await pending(redis) == 0
    assert await owner_fetch(database, "select id from audit.dead_letters") == []


async def test_a_consumer_that_joins_again_finishes_what_it_had_taken(
    consumer: Consumer, redis: Redis, database: Database
) -> None:
    sent = events(3)
    await put(redis, *sent)
    await redis.xreadgroup(GROUP, consumer.name, {STREAM: ">"})
    await consumer.join()
    assert await stored(database) == [e.id for e in sent]
    assert await pending(redis) == 0


async def test_a_group_begins_where_the_stream_does(
    store_pool: Pool, redis: Redis, clock: FakeClock, database: Database
) -> None:
    sent = events(2)
    await put(redis, *sent)
    consumer = a_consumer(store_pool, redis, clock)
    await consumer.join()
    await consumer.join()
    await consume_all(consumer)
    assert await stored(database) == [e.id for e in sent]


async def test_trimming_stops_at_what_any_group_has_not_acknowledged(consumer: Consumer, redis: Redis) -> None:
    # Redis trims whole nodes of a hundred entries.
    ids = await put(redis, *events(350))
    await redis.xgroup_create(STREAM, "archive", id="0")
    await redis.xreadgroup("archive", "one", {STREAM: ">"}, count=300)
    await redis.xack(STREAM, "archive", *ids[:120], *ids[121:300])
    await consume_all(consumer)
    await consumer.trim()
    left = {entry[0] for entry in await redis.xrange(STREAM)}
    assert len(left) < 350
    assert set(ids[120:]) <= left
    await redis.xack(STREAM, "archive", ids[120])
    await consumer.trim()
    now_left = {entry[0] for entry in await redis.xrange(STREAM)}
    assert len(now_left) < len(left)
    assert set(ids[300:]) <= now_left


async def test_trimming_spares_what_a_dead_consumer_of_the_own_group_holds(consumer: Consumer, redis: Redis) -> None:
    ids = await put(redis, *events(150))
    await redis.xreadgroup(GROUP, "dead", {STREAM: ">"}, count=10)
    await put(redis, *events(150))
    await consume_all(consumer)
    await consumer.trim()
    assert (await redis.xrange(STREAM, count=1))[0][0] == ids[0]


async def test_the_consumer_leaves_no_name_behind_unless_something_is_pending(consumer: Consumer, redis: Redis) -> None:
    await put(redis, an_event())
    await redis.xreadgroup(GROUP, consumer.name, {STREAM: ">"})
    await consumer.leave()
    assert [c["name"] for c in await redis.xinfo_consumers(STREAM, GROUP)] == [b"one"]
    await consumer.join()
    await consumer.leave()
    assert await redis.xinfo_consumers(STREAM, GROUP) == []


async def test_only_consumers_without_anything_pending_are_forgotten(
    consumer: Consumer, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "_FORGET_CONSUMER_MILLISECONDS", 0)
    await put(redis, an_event())
    await redis.xreadgroup(GROUP, "busy", {STREAM: ">"})
    await redis.xgroup_createconsumer(STREAM, GROUP, "gone")
    await consumer.tend()
    names = {c["name"] for c in await redis.xinfo_consumers(STREAM, GROUP)}
    assert b"busy" in names
    assert b"gone" not in names


async def test_the_figures_say_how_far_behind_the_group_is(consumer: Consumer, redis: Redis) -> None:
    await put(redis, *events(5))
    await redis.xreadgroup(GROUP, "slow", {STREAM: ">"}, count=2)
    await consumer.tend()
    assert (figure(consumer, "lag"), figure(consumer, "pending")) == (3, 2)


async def test_it_says_since_when_entries_are_unread(consumer: Consumer, redis: Redis) -> None:
    assert await consumer.unread_since() is None
    ids = await put(redis, *events(3))
    unread = await consumer.unread_since()
    assert unread is not None
    assert unread.timestamp() == 0
    await redis.xreadgroup(GROUP, consumer.name, {STREAM: ">"}, count=2)
    unread = await consumer.unread_since()
    assert unread is not None
    assert round(unread.timestamp() * 1000) == int(ids[1].partition(b"-")[0])
    await redis.xreadgroup(GROUP, consumer.name, {STREAM: ">"})
    assert await consumer.unread_since() is None
    await redis.flushall()
    assert await consumer.unread_since() is None
