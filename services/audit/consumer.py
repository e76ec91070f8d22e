"""Reads the stream as one of any number of consumers: store, commit, acknowledge.

Whatever dies in between is claimed and stored again by another consumer; the event's id absorbs the twin. What cannot
be stored becomes a dead letter and never stands in the way of the rest.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias, cast
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from services.audit import store
from services.audit.entries import Entry, NoEvent
from services.audit.figures import Figures
from services.audit.store import Stored
from shared.clock import Clock
from shared.db import Pool
from shared.streams import FIELD, GROUP, ID_FIELD, STREAM

log = structlog.get_logger(__name__)

RawEntry: TypeAlias = tuple[bytes, Mapping[bytes, bytes] | None]

# Large, since a commit costs the same for few and for many; what is there under less load is less by itself.
BATCH: Final = 2000
_WAIT_MILLISECONDS: Final = 500
# At least three times as long as the worst batch takes: whoever holds entries longer is taken for dead.
CLAIM_IDLE_MILLISECONDS: Final = 60_000
_TEND_EVERY_SECONDS: Final = 15.0
# Batches that a process has in its hands: while PostgreSQL stores one, the other is read and decoded.
_LANES: Final = 2
# A consumer that has nothing pending and was not seen for so long is one of a process that is gone.
_FORGET_CONSUMER_MILLISECONDS: Final = 3_600_000
_FIRST_PAUSE: Final = 0.2
_LONGEST_PAUSE: Final = 5.0
_FIELD: Final = FIELD.encode()
_ID_FIELD: Final = ID_FIELD.encode()


@dataclass(frozen=True, slots=True)
class _Dead:
    stream_id: str
    event_id: UUID | None
    body: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Batch:
    """What was read at once: every entry's id, those that are events, and those that are none."""

    stream_ids: Sequence[bytes]
    events: Sequence[Entry]
    dead: Sequence[_Dead]


class Consumer:
    """One consumer of the group. ``name`` must be its own; ``claim_idle`` is in milliseconds."""

    def __init__(
        self,
        pool: Pool,
        redis: Redis,
        *,
        name: str,
        clock: Clock,
        figures: Figures,
        claim_idle: int = CLAIM_IDLE_MILLISECONDS,
        tend_every: float = _TEND_EVERY_SECONDS,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._pool = pool
        self._redis = redis
        self.name = name
        self._clock = clock
        self.figures = figures
        self._claim_idle = claim_idle
        self._tend_every = tend_every
        self._jitter = jitter
        self._failed = 0
        self._storing = asyncio.Lock()
        self.running = False

    async def run(self) -> None:
        """Consume until cancelled. Trouble with Redis or PostgreSQL makes it wait, and nothing is acknowledged."""
        while True:
            try:
                await self.join()
                await self._work()
            except Exception as error:  # noqa: BLE001 - entries stay pending whatever happened: wait, join again
                self._failed += 1
                self.figures.failures.inc()
                if self._failed == 1:
                    log.warning("consumer waits", reason=_reason(error))
                pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**self._failed)
                await asyncio.sleep(pause * (0.5 + self._jitter() / 2))

    async def _work(self) -> None:
        """Look after the group and take batches, until something fails."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repeatedly(self._tend_and_rest))
            for _ in range(_LANES):
                tasks.create_task(self._repeatedly(self._take_batch))

    async def _repeatedly(self, work: Callable[[], Awaitable[None]]) -> None:
        # A cancellation that meets trouble of Redis's driver may be lost in it, so each one ends by the flag as well.
        try:
            while self.running:
                await work()
        finally:
            self.running = False

    async def _tend_and_rest(self) -> None:
        await self.tend()
        await asyncio.sleep(self._tend_every)

    async def _take_batch(self) -> None:
        await self.consume_once()
        self._failed = 0

    async def join(self) -> None:
        """Make sure that there is a group, and finish what this name had taken before."""
        await ensure_group(self._redis)
        while entries := await self._read("0"):
            await self.settle(entries)
        self.running = True

    async def consume_once(self, *, wait_milliseconds: int = _WAIT_MILLISECONDS) -> int:
        """Read, store and acknowledge one batch; answers its size.

        A batch is what is there: small when little happens, so that nobody waits, and large under load.
        """
        entries = await self._read(">", wait_milliseconds)
        await self.settle(entries)
        return len(entries)

    async def _read(self, start: str, wait_milliseconds: int | None = None) -> list[RawEntry]:
        answer = await self._redis.xreadgroup(GROUP, self.name, {STREAM: start}, count=BATCH, block=wait_milliseconds)
        if not answer:
            return []
        # RESP2 answers a list of pairs, RESP3 a map from the stream to its batches.
        if isinstance(answer, dict):
            batches = cast("list[list[RawEntry]]", next(iter(answer.values())))
            return [entry for batch in batches for entry in batch]
        return cast("list[RawEntry]", answer[0][1])

    async def settle(self, entries: Sequence[RawEntry]) -> None:
        """Store entries, keep what cannot be stored as dead letters, then acknowledge all of them."""
        batch = _decoded(entries)
        if not batch.stream_ids:
            return
        async with self._storing:
            stored = await store.store_batch(self._pool, batch.events)
        refused = [_Dead(e.stream_id, e.event.id, e.text, reason) for e, reason in stored.refused]
        await self._bury([*batch.dead, *refused])
        await self._redis.xack(STREAM, GROUP, *batch.stream_ids)
        self._count(batch, stored)

    async def _bury(self, dead: list[_Dead]) -> None:
        if not dead:
            return
        async with self._pool.transaction(None) as conn:
            for letter in dead:
                await store.insert_dead_letter(
                    conn,
                    stream_id=letter.stream_id,
                    event_id=letter.event_id,
                    body=letter.body,
                    reason=letter.reason,
                    now=self._clock(),
                )
                log.error("event could not be stored", stream_id=letter.stream_id, reason=letter.reason)

    def _count(self, batch: _Batch, stored: Stored) -> None:
        figures = self.figures
        figures.batch_size.observe(len(batch.stream_ids))
        figures.stored.inc(stored.new)
        figures.duplicates.inc(len(batch.events) - len(stored.refused) - stored.new)
        figures.dead_letters.inc(len(batch.dead) + len(stored.refused))
        if batch.events:
            latency = self._clock() - batch.events[-1].event.occurred_at
            figures.latency.observe(max(0.0, latency.total_seconds()))

    async def tend(self) -> None:
        """Claim what dead consumers left, forget consumers that are gone, trim, and take the group's figures."""
        await self.claim()
        await self._forget_consumers()
        await self.trim()
        for group in await self._redis.xinfo_groups(STREAM):
            if _text(group["name"]) == GROUP:
                self.figures.lag.set(group.get("lag") or 0)
                self.figures.pending.set(group["pending"])

    async def claim(self) -> int:
        """Settle what others read and did not acknowledge for too long; answers how much that was."""
        cursor: str | bytes = "0-0"
        claimed = 0
        while True:
            # The third part names entries that were deleted from the stream: Redis drops them from the pending list.
            cursor, entries, *_ = await self._redis.xautoclaim(
                STREAM, GROUP, self.name, min_idle_time=self._claim_idle, start_id=cursor, count=BATCH
            )
            await self.settle(entries)
            claimed += len(entries)
            if _text(cursor) == "0-0":
                return claimed

    async def _forget_consumers(self) -> None:
        for other in await self._redis.xinfo_consumers(STREAM, GROUP):
            gone = other["idle"] >= _FORGET_CONSUMER_MILLISECONDS and other["pending"] == 0
            if gone and _text(other["name"]) != self.name:
                await self._redis.xgroup_delconsumer(STREAM, GROUP, other["name"])

    async def trim(self) -> None:
        """Cut off what every group has acknowledged, and nothing else."""
        floors = [await self._floor(group) for group in await self._redis.xinfo_groups(STREAM)]
        if floors:
            # Approximate: Redis frees whole nodes, which never reaches beyond the floor.
            await self._redis.xtrim(STREAM, minid=_joined(min(floors)), approximate=True)

    async def _floor(self, group: Mapping[str, Any]) -> tuple[int, int]:
        if group["pending"]:
            pending = await self._redis.xpending(STREAM, group["name"])
            if pending.get("min"):
                return _parted(pending["min"])
        # Nothing pending: all up to the last delivered one was acknowledged; that one itself may stay.
        return _parted(group["last-delivered-id"])

    async def unread_since(self) -> datetime | None:
        """Entries put on the stream after this moment (by Redis's clock) may be unread; None when all were read."""
        try:
            groups = await self._redis.xinfo_groups(STREAM)
        except ResponseError as error:
            if "no such key" not in str(error):
                raise
            return None
        read = max((_parted(g["last-delivered-id"]) for g in groups if _text(g["name"]) == GROUP), default=(0, 0))
        # Asked of the entries, not of the last id that was given: what was trimmed away unread will never be read.
        if not await self._redis.xrange(STREAM, min=f"({_joined(read)}", count=1):
            return None
        return datetime.fromtimestamp(read[0] / 1000, tz=UTC)

    async def leave(self) -> None:
        """Take the name out of the group, unless something is still pending under it."""
        for own in await self._redis.xinfo_consumers(STREAM, GROUP):
            if _text(own["name"]) == self.name and own["pending"] == 0:
                await self._redis.xgroup_delconsumer(STREAM, GROUP, self.name)


async def ensure_group(redis: Redis) -> None:
    """The group reads from the very beginning: one that began at the end would skip what waits there already."""
    try:
        await redis.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    except ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise


def _reason(error: BaseException) -> str:
    """The kind of the first thing that went wrong."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return type(error).__name__


def _decoded(entries: Sequence[RawEntry]) -> _Batch:
    events: list[Entry] = []
    dead: list[_Dead] = []
    for (stream_id, fields), salt in zip(entries, store.salts(len(entries)), strict=True):
        if not fields:
            # Trimmed or deleted while it was pending: the reconciler sends the event again.
            continue
        name = stream_id.decode()
        body = fields.get(_FIELD)
        if body is None:
            dead.append(_Dead(name, None, repr(dict(fields)), f"the entry has no field {FIELD}"))
            continue
        try:
            events.append(Entry(body, salt=salt, stream_id=name))
        except NoEvent as error:
            dead.append(_Dead(name, _id_of(fields), body.decode("utf-8", "replace"), str(error)))
    return _Batch([stream_id for stream_id, _ in entries], events, dead)


def _id_of(fields: Mapping[bytes, bytes]) -> UUID | None:
    """The event's id, which the relay sends along since a body may be beyond reading."""
    try:
        return UUID(fields[_ID_FIELD].decode())
    except (KeyError, ValueError):
        return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _parted(stream_id: str | bytes) -> tuple[int, int]:
    milliseconds, _, number = _text(stream_id).partition("-")
    return int(milliseconds), int(number)


def _joined(stream_id: tuple[int, int]) -> str:
    return f"{stream_id[0]}-{stream_id[1]}"
