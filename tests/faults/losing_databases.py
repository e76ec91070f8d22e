"""Faults of the databases and of many relays at once."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import asyncpg

from shared.events import Subject
from shared.events.catalogue import FaceSheetViewed
from tests.faults.accounting import unread
from tests.faults.load import bulk
from tests.faults.play import Fault, Stage
from tests.faults.proxy import Mode
from tests.support.waiting import soon

_LATENCY_SECONDS = 0.3
_LONG_ENOUGH = 60.0


def away(mode: Mode) -> Fault:
    """The fault of an audit store that is away in this way."""

    async def act(stage: Stage) -> None:
        proxy, load = stage.rig.store_proxy, stage.load
        before = len(load.acknowledged)
        stage.prove("connections met", proxy.connections)
        await proxy.set(mode, latency=_LATENCY_SECONDS)

        async def nothing_is_stored() -> bool:
            return await unread(stage.rig) >= stage.scale.unread

        if mode is not Mode.LATENCY:
            await soon(nothing_is_stored, _LONG_ENOUGH)
            stored = await _stored(stage)
        await asyncio.sleep(stage.scale.store_away)
        if mode is not Mode.LATENCY:
            stage.prove("nothing stored meanwhile", await _stored(stage) == stored)
        stage.prove("acknowledged without the store", len(load.acknowledged) - before)
        await proxy.set(Mode.PASS)

    act.__doc__ = f"The audit store's database is away: {mode.value}."
    return Fault(f"audit store away: {mode.value}", act)


async def _stored(stage: Stage) -> int:
    return int(await stage.rig.database.fetchval("select count(*) from audit.events"))


async def _is_stored(stage: Stage, event_id: UUID) -> bool:
    return bool(await stage.rig.database.fetchval("select true from audit.events where id = $1", event_id))


async def transaction_held(stage: Stage) -> None:
    """A transaction holds a snapshot, and another one an event that commits late, while everything else goes on."""
    holder = await asyncpg.connect(stage.rig.postgres.url)
    try:
        async with bulk(stage.rig) as source, holder.transaction(isolation="repeatable_read"):
            seen = await holder.fetchval("select count(*) from accounts.outbox")
            async with source.work.transaction(source.actor) as tx:
                late = await tx.append(FaceSheetViewed(), Subject(client_id=uuid4()))
                before = await _stored(stage)
                await asyncio.sleep(stage.scale.transaction_open)
                await stage.load.flows()
                stage.prove("stored meanwhile", await _stored(stage) - before)
                stage.prove("not stored before its commit", not await _is_stored(stage, late))
            stage.prove("snapshot held", seen == await holder.fetchval("select count(*) from accounts.outbox"))
            await soon(lambda: _is_stored(stage, late), _LONG_ENOUGH)
    finally:
        await holder.close()


async def four_relays(stage: Stage) -> None:
    """Four admin processes, and so four relays of one outbox, at once."""
    await asyncio.gather(*(stage.rig.start("admin") for _ in range(3)))
    stage.prove("relays", len(stage.rig.of("admin")) == 4)
    async with bulk(stage.rig) as source:
        await source.append(stage.scale.events)
    await stage.load.flows(stage.scale.unread)
    published = await asyncio.gather(
        *(replica.figure("portico_outbox_published_total") for replica in stage.rig.of("admin"))
    )
    stage.facts["published by each"] = [int(count) for count in published]
    # The portal's relay takes part as well.
    stage.prove("took part", sum(1 for count in published if count) > 1)


LOSING_DATABASES = (
    *(away(mode) for mode in (Mode.REFUSE, Mode.RESET, Mode.BLACK_HOLE, Mode.HALF_CLOSE, Mode.LATENCY)),
    Fault("transaction held open", transaction_held),
    Fault("four relays at once", four_relays),
)
