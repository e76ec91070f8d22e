"""Faults of the outbox's database: a transaction that stays open, and many relays at once."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import asyncpg

from shared.events import Subject
from shared.events.catalogue import FaceSheetViewed
from tests.faults.load import bulk
from tests.faults.play import Fault, Stage
from tests.support.waiting import soon

_LONG_ENOUGH = 60.0


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
                before = await stage.stored()
                await asyncio.sleep(stage.scale.transaction_open)
                await stage.load.flows()
                stage.prove("stored meanwhile", await stage.stored() - before)
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


OUTBOX = (
    Fault("transaction held open", transaction_held),
    Fault("four relays at once", four_relays),
)
