"""A poison message holds nothing up, is never sent for ever, and is stored once after the fix."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import pytest
from redis.asyncio import Redis

from services.audit import deadletters
from services.audit.consumer import Consumer, ensure_group
from services.audit.deadletters import Decision
from shared.accounts.agencies import Agency
from shared.db import Pool
from shared.outbox import Work
from shared.outbox.reconcile import Reconciler
from shared.outbox.relay import Relay
from shared.security.tokens import Signer
from shared.streams import FIELD, ID_FIELD, STREAM
from tests.outbox.rows import appended, as_owner, states
from tests.support.clock import FakeClock
from tests.support.databases import Database
from tests.support.pipeline import PEMS, AuditApi, a_consumer, a_relay, run_through

DECISION = Decision(account="ada", host="console", reason="fixed")
# Stands for whatever a version of the store refuses; the fix is to take it away.
REFUSE = "alter table audit.events add constraint refused check (type <> 'face_sheet.viewed')"
FIX = "alter table audit.events drop constraint refused"


@dataclass(frozen=True, slots=True)
class Line:
    """Outbox, relay, consumer and reconciler of one test."""

    relay: Relay
    consumer: Consumer
    reconciler: Reconciler
    redis: Redis
    clock: FakeClock
    relay_pool: Pool
    database: Database

    async def run(self) -> None:
        await run_through(self.relay, self.consumer, self.redis)

    async def reconcile(self) -> int:
        """A minute later; answers how many are sent again."""
        self.clock.advance(seconds=61)
        return await self.reconciler.reconcile()

    async def send_again(self, event_id: UUID) -> None:
        """As a relay does that was killed before it marked the row."""
        await as_owner(self.database, "update accounts.outbox set published_at = null where id = $1", event_id)
        await self.run()

    async def times_stored(self, event_id: UUID) -> int:
        return int(await as_owner(self.database, "select count(*) from audit.events where id = $1", event_id))

    async def letters(self) -> list[str]:
        query = "select coalesce(array_agg(event_id order by id), '{}') from audit.dead_letters"
        return [str(i) for i in await as_owner(self.database, query)]


@pytest.fixture
def line(relay_pool: Pool, store_pool: Pool, redis: Redis, clock: FakeClock, database: Database, api: AuditApi) -> Line:
    reconciler = Reconciler(
        relay_pool,
        api.http.session,
        str(api.http.make_url("/")),
        Signer(PEMS["portico_admin"], "portico_admin", clock),
        table="accounts.outbox",
        wake=asyncio.Event(),
        clock=clock,
    )
    relay, consumer = a_relay(relay_pool, redis, clock), a_consumer(store_pool, redis, clock)
    return Line(relay, consumer, reconciler, redis, clock, relay_pool, database)


@pytest.mark.parametrize("sent_again", ["never", "before the fix", "after the fix", "after the replay"])
async def test_poison_is_held_and_after_the_fix_replayed_and_stored_once(
    line: Line, admin_work: Work, agency: Agency, store_pool: Pool, database: Database, sent_again: str
) -> None:
    await as_owner(database, REFUSE)
    [poison] = await appended(admin_work, agency)
    await line.run()
    assert (await line.times_stored(poison), await line.letters()) == (0, [str(poison)])
    assert await line.reconcile() == 0
    assert await states(line.relay_pool) == {"waiting": 0, "published": 0, "confirmed": 1}
    if sent_again == "before the fix":
        await line.send_again(poison)
    await as_owner(database, FIX)
    if sent_again == "after the fix":
        await line.send_again(poison)

    async with store_pool.transaction(None) as conn:
        [letter] = await deadletters.listed(conn, also_done=False, after=0, limit=9)
    expected: Literal["stored", "stored already"] = "stored already" if sent_again == "after the fix" else "stored"
    assert letter.state == ("stored" if sent_again == "after the fix" else "waiting")
    done = await deadletters.replay(store_pool, letter_id=letter.id, decision=DECISION, now=line.clock())
    assert done == expected
    if sent_again == "after the replay":
        await line.send_again(poison)
    assert await line.times_stored(poison) == 1
    assert await line.letters() == [str(poison)]


async def test_poison_holds_up_nothing_around_it(
    line: Line, admin_work: Work, agency: Agency, database: Database
) -> None:
    ids = await appended(admin_work, agency, 9)
    await as_owner(
        database,
        "update accounts.outbox set body = replace(body, '\"version\":1', '\"version\":-1') where id = $1",
        ids[4],
    )
    await line.run()
    found = await as_owner(database, "select array_agg(id order by id) from audit.events")
    assert found == ids[:4] + ids[5:]
    assert await line.letters() == [str(ids[4])]
    assert await line.reconcile() == 0
    assert await states(line.relay_pool) == {"waiting": 0, "published": 0, "confirmed": 9}


@pytest.mark.parametrize(
    "entry",
    [
        {"something": "else"},
        {FIELD: "no event"},
        {FIELD: "no event", ID_FIELD: "no id"},
        {FIELD: json.dumps({"id": "no id"})},
    ],
)
async def test_an_entry_that_says_neither_event_nor_id_has_its_event_sent_again_once(
    line: Line, admin_work: Work, agency: Agency, entry: dict[str | bytes, str]
) -> None:
    [event_id] = await appended(admin_work, agency)
    await ensure_group(line.redis)
    await line.relay.drain()
    # What the relay sent becomes illegible on its way.
    await line.redis.xtrim(STREAM, maxlen=0, approximate=False)
    await line.redis.xadd(STREAM, dict(entry))
    await line.run()
    assert await line.letters() == ["None"]
    assert await line.reconcile() == 1
    await line.run()
    assert await line.times_stored(event_id) == 1
    assert await line.reconcile() == 0
    assert await states(line.relay_pool) == {"waiting": 0, "published": 0, "confirmed": 1}


async def test_a_row_that_nobody_can_read_is_sent_once_and_kept_as_a_letter(
    line: Line, admin_work: Work, agency: Agency, database: Database
) -> None:
    [event_id] = await appended(admin_work, agency)
    await as_owner(database, "update accounts.outbox set body = 'no event' where id = $1", event_id)
    await line.run()
    for _ in range(3):
        assert await line.reconcile() == 0
        await line.run()
    assert await line.letters() == [str(event_id)]
    assert await states(line.relay_pool) == {"waiting": 0, "published": 0, "confirmed": 1}
