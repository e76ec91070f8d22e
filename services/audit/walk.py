"""The walk along one chain: hashing what is there, and looking up what is known of it on the way."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg

from services.audit.diagnosis import Place
from services.audit.evidence import Known
from services.audit.findings import Chain
from services.audit.verify_queries import SQL
from shared.db import Pool

# Rows that are fetched at once: the next ones are on their way while these are hashed.
WINDOW: Final = 4000
# Rows that are hashed before what has arrived meanwhile is read.
_SLICE: Final = 250


@dataclass(frozen=True, slots=True)
class Walked:
    """So many events more."""

    events: int


class Walk:
    """How far a chain was walked, and what it looked like there. ``walked`` events fit, up to number ``seq``."""

    def __init__(self, chain: Chain, seq: int, link: bytes, known: dict[int, list[Known]], end: int | None) -> None:
        self.chain = chain
        self.began = self.seq = seq
        self.start = self.link = self.before = link
        self.known = known
        self._end = end
        # Where to look up: the numbers that something is known of, the lowest last.
        self._stops = sorted({n for n in [*known, *([end] if end is not None else [])] if n > seq}, reverse=True)
        self.erased = 0
        self.whole = True
        self.agreed: Known | None = None
        self.contradicted: Known | None = None
        self.since_seal: datetime | None = None
        self.link_at_end: bytes | None = None
        self._look_up(seq)

    @property
    def walked(self) -> int:
        """How many events fit."""
        return self.seq - self.began

    def place(self, row: Known | None) -> Place:
        """Where it ended, for whoever finds out why. ``row`` is what the chain's row says of its end."""
        return Place(
            chain=self.chain,
            began=self.began,
            start=self.start,
            seq=self.seq,
            before=self.before,
            link=self.link,
            known=[k for number, ks in self.known.items() if number >= self.seq for k in ks],
            row=row,
            agreed=self.agreed.seq if self.agreed else self.began,
        )

    def hash(self, rows: Iterable[Any]) -> bool:
        """Go on through these rows, or up to the first that does not fit; answers whether all of them did."""
        sha256 = hashlib.sha256
        seq, link, before, erased = self.seq, self.link, self.before, self.erased
        stop = self._stops[-1] if self._stops else -1
        for number, facts, personal, digest, stored in rows:
            if number != seq + 1 or facts is None:
                self.whole = False
                break
            made = sha256(
                link + sha256(facts + (sha256(personal).digest() if personal is not None else digest)).digest()
            ).digest()
            if made != stored:
                self.whole = False
                break
            before, link, seq = link, made, number
            if personal is None:
                erased += 1
            if number == stop:
                self.seq, self.link = seq, link
                stop = self._look_up(number)
                if not self.whole:
                    break
        self.seq, self.link, self.before, self.erased = seq, link, before, erased
        return self.whole

    def _look_up(self, number: int) -> int:
        """Compare what is known of this number; answers the next one that something is known of."""
        if number == self._end:
            self.link_at_end = self.link
        for known in self.known.get(number, ()):
            if known.link != self.link:
                self.contradicted, self.whole = known, False
                break
            if known.sealed_at is not None or self.agreed is None:
                self.agreed = known
        if self._stops and self._stops[-1] == number:
            self._stops.pop()
        return self._stops[-1] if self._stops else -1


async def steps(pool: Pool, walk: Walk, last: int) -> AsyncIterator[Walked]:
    """Walk up to number ``last``."""
    if not walk.whole:
        return
    windows = _windows(pool, walk.chain, walk.seq + 1, last)
    try:
        async for end, rows in windows:
            seq = walk.seq
            for at in range(0, len(rows), _SLICE):
                if not walk.hash(rows[at : at + _SLICE]):
                    break
                await asyncio.sleep(0)
            if walk.whole and walk.seq < end:
                # Nothing carries the next number.
                walk.whole = False
            yield Walked(walk.seq - seq)
            if not walk.whole:
                return
    finally:
        await windows.aclose()


async def _windows(pool: Pool, chain: Chain, first: int, last: int) -> AsyncGenerator[tuple[int, list[asyncpg.Record]]]:
    """The rows up to number ``last``, and the number that each piece ends with. The next piece is fetched meanwhile."""

    async def fetch(low: int) -> list[asyncpg.Record]:
        async with pool.transaction(None) as conn:
            return await conn.fetch(SQL["chain"], chain.agency_id, *chain.ids, low, min(low + WINDOW, last + 1))

    ahead = asyncio.create_task(fetch(first)) if first <= last else None
    try:
        while ahead is not None:
            rows = await ahead
            end, first = min(first + WINDOW - 1, last), first + WINDOW
            ahead = asyncio.create_task(fetch(first)) if first <= last else None
            yield end, rows
    finally:
        if ahead is not None:
            ahead.cancel()
            with suppress(asyncio.CancelledError):
                await ahead
