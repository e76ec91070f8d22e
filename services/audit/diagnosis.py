"""What was done to a chain where it does not fit any more.

Stored links tell where the original neighbours were: whoever edits, moves or removes rows without making all later
links anew leaves them behind. What is known of later numbers tells how many events there were.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg

from services.audit.evidence import Known
from services.audit.findings import Chain, Finding
from services.audit.verify_queries import SQL
from shared.db import Connection

_WINDOW: Final = 4000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chain stops to fit: after number ``seq``, with ``link`` (and ``before`` it the one before).

    The walk ``began`` after that number, at the link ``start``. ``known`` is what is known of this and later numbers,
    ``row`` what the chain's row says of its end, which is no more than a hint; everything up to ``agreed`` is as it was
    sealed.
    """

    chain: Chain
    began: int
    start: bytes
    seq: int
    before: bytes
    link: bytes
    known: Sequence[Known]
    row: Known | None
    agreed: int


@dataclass(frozen=True, slots=True)
class _Row:
    """An event as it lies there; ``leaf`` is None when it is neither whole nor erased."""

    id: UUID
    seq: int | None
    leaf: bytes | None
    link: bytes | None

    @classmethod
    def of(cls, record: asyncpg.Record) -> _Row:
        facts, personal, digest = record["facts"], record["personal"], record["erased_digest"]
        leaf = None
        if facts is not None:
            leaf = hashlib.sha256(
                facts + (hashlib.sha256(personal).digest() if personal is not None else digest)
            ).digest()
        return cls(record["id"], record["seq"], leaf, record["link"])

    def after(self, link: bytes | None) -> bytes | None:
        """The link that the event has after this one."""
        if self.leaf is None or link is None:
            return None
        return hashlib.sha256(link + self.leaf).digest()

    def fits(self, link: bytes | None) -> bool:
        """Whether the event was stored after this link."""
        return self.link is not None and self.after(link) == self.link


async def named(conn: Connection, place: Place) -> Finding:
    """What was done at ``place``."""
    return await _Diagnosis(conn, place).finding()


async def contradicted(conn: Connection, place: Place, known: Known) -> Finding | None:
    """What was done to events up to ``place``, which fit and are not what is known; None when they were rewritten."""
    return await _Diagnosis(conn, place).squeezed_in(known)


async def beyond_the_end(conn: Connection, chain: Chain, end: int, last: int, *, vouched: bool) -> Finding:
    """Events that fit follow where the chain ends by its row."""
    if vouched:
        text = f"its row in audit.chains ends at event {end:,}, and a seal knows of later ones"
        return Finding("row-changed", text, end)
    event_id = await conn.fetchval(SQL["id_at"], chain.agency_id, *chain.ids, end + 1)
    text = f"events {end + 1:,} to {last:,} follow the end of the chain, which is event {end:,} by its row"
    return Finding("inserted", text, end + 1, event_id)


class _Diagnosis:
    def __init__(self, conn: Connection, place: Place) -> None:
        self._conn = conn
        self._place = place
        self._next = place.seq + 1

    async def finding(self) -> Finding:
        """The first event that is concerned, and what was done."""
        place, number = self._place, self._next
        if place.seq > place.began and len(again := await self._at(place.seq)) > 1:
            return await self._doubled(place.seq, place.before, again)
        here = await self._at(number)
        if not here:
            return await self._gap()
        if len(here) > 1:
            return await self._doubled(number, place.link, here)
        return await self._misfit(here[0])

    async def squeezed_in(self, known: Known) -> Finding | None:
        """Whether the event that belongs here comes later, behind others that were made to fit."""
        place = self._place
        again = await self._at(place.seq)
        if len(again) > 1:
            return await self._doubled(place.seq, place.before, again)
        async for row in self._rows(self._next):
            if row.link == known.link:
                return await self._forked(row)
        return None

    async def _doubled(self, number: int, link: bytes, rows: Sequence[_Row]) -> Finding:
        """Several events carry one number: which of them is the one that belongs there?"""
        followers = await self._at(number + 1)
        known = {k.link for k in self._place.known if k.seq == number}
        fitting = [r for r in rows if r.fits(link)]
        genuine = next(
            (r for r in fitting if r.link in known or any(f.fits(r.link) for f in followers)),
            next(iter(fitting), None),
        )
        other = next(r for r in rows if r is not genuine)
        home = await self._home_of(other)
        if home is not None and home != number:
            text = f"event {home:,} carries the number {number:,}, which another event has"
            return Finding("reordered", text, number, other.id)
        return Finding("inserted", f"the number {number:,} is there {len(rows):,} times", number, other.id)

    async def _gap(self) -> Finding:
        """No event carries the number."""
        number, next_ = self._next, None
        async for row in self._rows(number):
            if row.fits(self._place.link):
                now = "has no number now" if row.seq is None else f"carries the number {row.seq:,} now"
                return Finding("reordered", f"event {number:,} {now}", number, row.id)
            if next_ is None and row.seq is not None:
                next_ = row.seq
        ends = [*self._place.known, *([self._place.row] if self._place.row else [])]
        furthest = max((k.seq for k in ends), default=number)
        last = next_ - 1 if next_ is not None else furthest
        where = "" if next_ is not None else " at the end"
        if last <= number:
            return Finding("removed", f"event {number:,} was removed{where}", number)
        return Finding("removed", f"events {number:,} to {last:,} were removed{where}", number)

    async def _misfit(self, row: _Row) -> Finding:
        """One event carries the number, and was not stored after the one before it."""
        number = self._next
        rightful: _Row | None = None
        at_home: _Row | None = None
        shifts: dict[int, int] = {}
        hint: int | None = None
        known, end = {k.link: k.seq for k in self._place.known if k.seq >= number}, self._place.row
        async for other in self._rows(number):
            made = other.after(self._place.link) if other.id != row.id and rightful is None else None
            if made is not None and made in (other.link, row.link):
                rightful = other
            if row.fits(other.link):
                at_home = other
            if other.seq is None:
                continue
            if other.link in known:
                shifts[known[other.link]] = other.seq - known[other.link]
            elif end is not None and other.link == end.link:
                hint = other.seq - end.seq
        if rightful is not None:
            return await self._displaced(row, rightful, genuine=at_home is not None)
        return await self._forked(row) or await self._shifted(row, shifts[min(shifts)] if shifts else None, hint)

    async def _shifted(self, row: _Row, sealed: int | None, hint: int | None) -> Finding:
        """Whether all that follows carries other numbers than it should; when not, it is the event itself."""
        number, shift = self._next, sealed if sealed is not None else hint or 0
        if shift < 0:
            which = f"event {number:,} was" if shift == -1 else f"{-shift:,} events from {number:,} on were"
            return Finding("removed", f"{which} removed, and the rest renumbered", number, row.id)
        if shift > 0:
            which = "an event was" if shift == 1 else f"{shift:,} events were"
            text = f"{which} inserted from number {number:,} on, and the rest renumbered"
            return Finding("inserted", text, number, row.id)
        return await self._edited(row, certain=sealed is not None)

    async def _displaced(self, row: _Row, rightful: _Row, *, genuine: bool) -> Finding:
        """The event that belongs here is elsewhere."""
        number = self._next
        if rightful.seq is None:
            text = f"event {number:,} has no number now, and another one carries it"
            return Finding("reordered", text, number, row.id)
        followers = await self._at(rightful.seq + 1)
        follows = any(f.fits(rightful.link) for f in followers) if followers else not genuine
        if rightful.fits(self._place.link) and follows:
            count = rightful.seq - number
            which = "an event was" if count == 1 else f"{count:,} events were"
            text = f"{which} inserted at number {number:,}, and the rest renumbered"
            return Finding("inserted", text, number, row.id)
        text = f"the event that belongs at number {number:,} carries {rightful.seq:,}, and another one is in its place"
        return Finding("reordered", text, number, row.id)

    async def _forked(self, row: _Row) -> Finding | None:
        """The event was stored after an earlier one than that before it."""
        home = await self._home_of(row, up_to=self._place.seq)
        if home is None or home > self._place.seq:
            return None
        number = row.seq or self._next
        if home <= self._place.agreed:
            text = f"event {number:,} was made to follow event {home - 1:,}, and others do"
            return Finding("inserted", text, number, row.id)
        inserted = await self._at(home)
        count = number - home
        which = "an event was" if count == 1 else f"{count:,} events were"
        text = f"{which} inserted at number {home:,}, and the rest renumbered"
        return Finding("inserted", text, home, inserted[0].id if inserted else None)

    async def _edited(self, row: _Row, *, certain: bool) -> Finding:
        number, made = self._next, row.after(self._place.link)
        known = {k.link for k in self._place.known if k.seq == number}
        followers = await self._at(number + 1)
        if made is not None and (made in known or any(f.fits(made) for f in followers)):
            return Finding("edited", f"event {number:,}: its link was changed, and nothing else of it", number, row.id)
        text = f"event {number:,} was edited"
        if not certain and row.link not in known:
            text += "; or an event before it was removed, since no seal tells how many there were"
        elif self._place.agreed < self._place.seq:
            text += f"; or one from {self._place.agreed + 1:,} on, with the links up to here made anew"
        return Finding("edited", text, number, row.id)

    async def _home_of(self, row: _Row, up_to: int | None = None) -> int | None:
        """The number of the event after which this one was stored, and one more."""
        first = self._place.began + 1
        if row.fits(self._place.start):
            return first
        async for other in self._rows(first, up_to):
            if other.seq is not None and other.id != row.id and row.fits(other.link):
                return other.seq + 1
        return None

    async def _at(self, number: int) -> list[_Row]:
        chain = self._place.chain
        found = await self._conn.fetch(SQL["numbered"], chain.agency_id, *chain.ids, number, number + 1)
        return [_Row.of(r) for r in found]

    async def _rows(self, first: int, up_to: int | None = None) -> AsyncIterator[_Row]:
        """The rows from a number on, then those without a number."""
        chain = self._place.chain
        last: int = await self._conn.fetchval(SQL["last_number"], chain.agency_id, *chain.ids) or 0
        if up_to is not None:
            last = min(last, up_to)
        while first <= last:
            end = min(first + _WINDOW, last + 1)
            found = await self._conn.fetch(SQL["numbered"], chain.agency_id, *chain.ids, first, end)
            for record in found:
                yield _Row.of(record)
            first += _WINDOW
            if not found and first <= last:
                first = await self._conn.fetchval(SQL["next_number"], chain.agency_id, *chain.ids, first) or last + 1
        if up_to is None:
            for record in await self._conn.fetch(SQL["unnumbered"], chain.agency_id, *chain.ids):
                yield _Row.of(record)
