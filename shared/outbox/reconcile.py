"""The reconciler: asks the audit service which published events it holds, and has the others published again.

So the loss of Redis, with everything in it, loses no event. Confirmed rows stay for seven days, so that an audit store
that was restored from a backup can be filled up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from aiohttp import ClientError, ClientSession, ClientTimeout
from pydantic import AwareDatetime, BaseModel, ConfigDict

from shared.clock import Clock
from shared.db import Connection, Pool, Unavailable
from shared.outbox.queries import queries_of
from shared.outbox.work import OutboxTable
from shared.security.session_limits import SERVICE_TOKEN
from shared.security.tokens import INTERNAL, Signer

# An event is stored within milliseconds; one that is not after this long is worth a question.
ASK_AFTER: Final = timedelta(seconds=60)
KEEP_CONFIRMED: Final = timedelta(days=7)
BATCH: Final = 1000
_ANSWER_WITHIN: Final = ClientTimeout(total=10)
_ALWAYS: Final = datetime.max.replace(tzinfo=UTC)
# ValueError: an answer that cannot be read.
_TROUBLE: tuple[type[BaseException], ...] = (*Unavailable, ClientError, ValueError)

log = structlog.get_logger(__name__)


class _Answer(BaseModel):
    """What the audit service says: the ids that it holds, and since when the stream has entries that it did not read.

    The moment is by Redis's clock; None when everything was read.
    """

    model_config = ConfigDict(extra="ignore")

    held: frozenset[UUID]
    unread_since: AwareDatetime | None


@dataclass(slots=True)
class ReconcilerFigures:
    """What the reconciler counts, for the metrics."""

    confirmed: int = 0
    sent_again: int = 0
    failures: int = 0


class Reconciler:
    """Looks after one outbox. ``pool`` belongs to the role portico_relay."""

    def __init__(
        self,
        pool: Pool,
        http: ClientSession,
        audit_url: str,
        signer: Signer,
        *,
        table: OutboxTable,
        wake: asyncio.Event,
        clock: Clock,
        every: float = 30.0,
        ask_after: timedelta = ASK_AFTER,
    ) -> None:
        self._pool = pool
        self._http = http
        self._url = f"{audit_url.rstrip('/')}/internal/v1/events/held"
        self._signer = signer
        self._sql = queries_of(table)
        self._wake = wake
        self._clock = clock
        self._every = every
        self._ask_after = ask_after
        self.figures = ReconcilerFigures()

    async def run(self) -> None:
        """Reconcile every so often until cancelled. While the audit service is away nothing changes."""
        away = False
        while True:
            try:
                await self.reconcile()
                await self.forget()
                away = False
            except _TROUBLE as error:
                self.figures.failures += 1
                if not away:
                    log.warning("reconciler waits", reason=type(error).__name__)
                away = True
            await asyncio.sleep(self._every)

    async def reconcile(self) -> int:
        """Ask for everything that is unconfirmed; answers how many rows are sent again."""
        again = 0
        while True:
            async with self._pool.transaction(None) as conn:
                if not await conn.fetchval(self._sql["try_lock"]):
                    break
                rows = await conn.fetch(self._sql["unconfirmed"], self._clock() - self._ask_after, BATCH)
                answer = await self._ask([r["id"] for r in rows])
                await self._confirm(conn, answer.held)
                # What the consumers have not come to yet is late, not lost: sending it again would make them later.
                read_until = answer.unread_since or _ALWAYS
                lost = [r["id"] for r in rows if r["id"] not in answer.held and r["published_at"] <= read_until]
                again += await self._send_again(conn, lost)
            if len(rows) < BATCH or len(answer.held) + len(lost) < len(rows):
                break
        if again:
            self._wake.set()
        return again

    async def recheck(self, since: datetime) -> int:
        """Ask again for what was confirmed after ``since``: the audit store may have come back from a backup."""
        again, last = 0, UUID(int=0)
        while True:
            async with self._pool.transaction(None) as conn:
                asked = [r["id"] for r in await conn.fetch(self._sql["confirmed_since"], since, last, BATCH)]
                answer = await self._ask(asked)
                again += await self._send_again(conn, [i for i in asked if i not in answer.held])
            if len(asked) < BATCH:
                break
            last = asked[-1]
        if again:
            self._wake.set()
        return again

    async def _confirm(self, conn: Connection, held: frozenset[UUID]) -> None:
        if held:
            await conn.execute(self._sql["confirm"], list(held), self._clock())
            self.figures.confirmed += len(held)

    async def _send_again(self, conn: Connection, lost: Sequence[UUID]) -> int:
        if lost:
            await conn.execute(self._sql["send_again"], lost)
            self.figures.sent_again += len(lost)
            log.warning("events sent again", count=len(lost))
        return len(lost)

    async def _ask(self, ids: Sequence[UUID]) -> _Answer:
        if not ids:
            return _Answer(held=frozenset(), unread_since=None)
        token = self._signer.mint(INTERNAL, lifetime=SERVICE_TOKEN)
        async with self._http.post(
            self._url,
            json={"ids": [str(i) for i in ids]},
            headers={"Authorization": f"Bearer {token}"},
            timeout=_ANSWER_WITHIN,
            raise_for_status=True,
        ) as response:
            answer = _Answer.model_validate_json(await response.read())
        # Only what was asked for counts, whatever is answered.
        return _Answer(held=answer.held & frozenset(ids), unread_since=answer.unread_since)

    async def forget(self) -> int:
        """Delete what was confirmed long ago; answers how many rows."""
        total = 0
        while True:
            async with self._pool.transaction(None) as conn:
                status = await conn.execute(self._sql["forget"], self._clock() - KEEP_CONFIRMED, BATCH)
            count = int(status.rpartition(" ")[2])
            total += count
            if count < BATCH:
                return total
