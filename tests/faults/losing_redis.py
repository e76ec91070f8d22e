"""Faults of Redis: emptied, away, set back to an old dump, its stream cut; and what becomes of its readers."""

from __future__ import annotations

import asyncio

from shared.streams import GROUP, STREAM
from tests.faults.accounting import unread
from tests.faults.load import bulk
from tests.faults.play import DidNotHappen, Fault, Stage, Stalled
from tests.faults.replica import Replica
from tests.support.waiting import soon

_LONG_ENOUGH = 60.0
# Longer than PostgreSQL's and the driver's own limits should let anybody wait.
_OTHERS_SECONDS = 40.0
_PAUSE_TRIES = 200
_REST_SECONDS = 0.2
# A session at rest with the chain's lock in its hands: those that work or wait are in another state.
_HOLDS = """
select pid from pg_stat_activity
where application_name = 'portico-audit-store' and state = 'idle in transaction'
    and state_change < now() - interval '0.15 s' and query like '%audit.append(%'
"""
_SENT_AGAIN = "portico_outbox_sent_again_total"
_PUBLISHERS = ("admin", "portal", "notifier")
_PENDING_MILLISECONDS = 1500


def _pause(stage: Stage) -> None:
    for replica in stage.rig.of("audit"):
        replica.pause()


def _go_on(stage: Stage) -> None:
    for replica in stage.rig.of("audit"):
        replica.go_on()


async def _until_unread(stage: Stage, count: int) -> None:
    async def enough() -> bool:
        return await unread(stage.rig) >= count

    await soon(enough, _LONG_ENOUGH)


async def flushed(stage: Stage) -> None:
    """FLUSHALL while thousands of events are published and unconfirmed: the stream, the group and the tasks are gone."""
    _pause(stage)
    async with bulk(stage.rig) as source:
        await source.append(stage.scale.events)
    await _until_unread(stage, stage.scale.events)
    before = await unread(stage.rig)
    await stage.rig.redis.flushall()
    stage.prove("destroyed unread", before - await unread(stage.rig))
    again = await stage.rig.figure(_SENT_AGAIN, *_PUBLISHERS)
    _go_on(stage)

    async def sent_again() -> bool:
        return await stage.rig.figure(_SENT_AGAIN, *_PUBLISHERS) - again >= stage.scale.events

    stage.ended()
    await soon(sent_again, _LONG_ENOUGH)


async def stopped(stage: Stage) -> None:
    """Redis ends under load, and comes back empty after a while."""
    _pause(stage)
    await _until_unread(stage, stage.scale.unread)
    stage.prove("destroyed unread", await unread(stage.rig))
    await stage.rig.stop_redis()
    _go_on(stage)
    (stage.rig.valkey.folder / "dump.rdb").unlink(missing_ok=True)
    before = len(stage.load.acknowledged)
    await asyncio.sleep(stage.scale.redis_away)
    # Nothing that people do may depend on Redis.
    stage.prove("acknowledged without Redis", len(stage.load.acknowledged) - before)
    await stage.rig.valkey.start()


async def set_back(stage: Stage) -> None:
    """Redis comes back from a dump that is older than what was published and read since."""
    valkey, redis = stage.rig.valkey, stage.rig.redis
    await redis.save()
    dump = valkey.folder / "dump.rdb"
    kept = dump.read_bytes()
    await stage.load.flows(stage.scale.unread)
    _pause(stage)
    await _until_unread(stage, stage.scale.unread)
    stage.prove("destroyed unread", await unread(stage.rig))
    await stage.rig.stop_redis()
    # Over the same file, which keeps its owner: the server's account may be another than ours.
    dump.write_bytes(kept)
    await valkey.start()
    stage.prove("came back with something", await redis.xlen(STREAM))
    _go_on(stage)


async def trimmed(stage: Stage) -> None:
    """Somebody trims the stream to nothing while nobody reads it."""
    _pause(stage)
    await _until_unread(stage, stage.scale.unread)
    stage.prove("destroyed unread", await stage.rig.redis.xtrim(STREAM, maxlen=0, approximate=False))
    _go_on(stage)


async def consumer_paused(stage: Stage) -> None:
    """A consumer is paused until another has claimed what it had read, and goes on with it."""
    sleeper, *_ = stage.rig.of("audit")
    await stage.rig.start("audit")
    await stage.load.flows()
    # What becomes of one that is paused in the middle of a transaction is a fault of its own.
    await _pause_in_transaction(stage, sleeper, wanted=False)
    stalled = ""

    async def holds_entries() -> bool:
        nonlocal stalled
        for consumer in await stage.rig.redis.xinfo_consumers(STREAM, GROUP):
            if consumer["pending"] and consumer["idle"] > _PENDING_MILLISECONDS:
                stalled = consumer["name"]
        return bool(stalled)

    async def were_claimed() -> bool:
        consumers = await stage.rig.redis.xinfo_consumers(STREAM, GROUP)
        return all(not consumer["pending"] for consumer in consumers if consumer["name"] == stalled)

    await soon(holds_entries, _LONG_ENOUGH)
    stage.prove("held while paused", stalled)
    await soon(were_claimed, _LONG_ENOUGH)
    sleeper.go_on()


async def _pause_in_transaction(stage: Stage, sleeper: Replica, *, wanted: bool) -> None:
    """Pause it with a transaction open, which it then holds, or with none."""
    for number in range(_PAUSE_TRIES):
        sleeper.pause()
        # What is on its way to PostgreSQL comes to rest: a paused process says nothing more.
        await asyncio.sleep(_REST_SECONDS)
        if bool(await stage.rig.database.fetch(_HOLDS)) is wanted:
            return
        sleeper.go_on()
        # Another moment of its round each time.
        await asyncio.sleep(0.02 + number % 17 * 0.003)
    raise DidNotHappen("it was never paused at the wanted moment")


async def consumer_paused_while_storing(stage: Stage) -> None:
    """A consumer is paused with its transaction open: the others go on storing."""
    sleeper, *_ = stage.rig.of("audit")
    await stage.rig.start("audit")
    await stage.load.flows()
    await _pause_in_transaction(stage, sleeper, wanted=True)
    before = await stage.stored()

    async def others_store() -> bool:
        return await stage.stored() > before

    stage.prove("paused with a transaction open", bool(await stage.rig.database.fetch(_HOLDS)))
    try:
        await soon(others_store, _OTHERS_SECONDS)
    except TimeoutError:
        raise Stalled(f"nothing was stored for {_OTHERS_SECONDS:.0f} s") from None
    finally:
        sleeper.go_on()


async def consumers_come_and_go(stage: Stage) -> None:
    """Replicas of the audit service are added, and taken away in order and by force, under load."""
    first, *_ = stage.rig.of("audit")
    second, third = await asyncio.gather(stage.rig.start("audit"), stage.rig.start("audit"))
    await stage.load.flows()
    await first.kill()
    await stage.load.flows()
    await second.stop()
    fourth = await stage.rig.start("audit")
    await third.kill()
    await stage.load.flows()
    stage.prove("left", fourth.running and len(stage.rig.of("audit")) == 1)


LOSING_REDIS = (
    Fault("Redis flushed with 10,000 unconfirmed", flushed),
    Fault("Redis stopped and back empty", stopped),
    Fault("Redis back from an old dump", set_back),
    Fault("stream trimmed by hand", trimmed),
    Fault("consumer paused past the claim time", consumer_paused),
    Fault("consumer paused while storing", consumer_paused_while_storing),
    Fault("audit replicas added and removed", consumers_come_and_go),
)
