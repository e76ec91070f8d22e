"""Verifying the hash chains: walks each one, and says of the first event that does not fit what was done to it.

Nothing in the database is believed but seals with a good signature. While it runs, events come in as ever: each chain
is walked up to where it ended when its turn came.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.audit import store
from services.audit.chain import start_of, year_of
from services.audit.diagnosis import beyond_the_end, contradicted, named
from services.audit.evidence import Evidence, ExportedSeals, Known, weigh
from services.audit.findings import Chain, ChainReport, Finding
from services.audit.retention import LEAST_YEARS, first_day_without
from services.audit.sealing import SQL as SEALING
from services.audit.seals import PublicKeys, Seal
from services.audit.verify_queries import SQL
from services.audit.walk import Walk, Walked, steps
from shared.db import Connection, Pool

# It thinks about what it read, and holds nobody up.
_PATIENCE: Final = {"idle_in_transaction_session_timeout": "0"}
_YEARS: Final = range(1, 10_000)
_LOWEST: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Begun:
    """There are about so many events, and so many chains."""

    events: int
    chains: int


@dataclass(frozen=True, slots=True)
class _End:
    """A chain's row in ``audit.chains``."""

    seq: int
    link: bytes
    previous_year: int | None
    previous_seq: int | None
    previous_link: bytes | None
    unchained: int
    retired_seq: int
    retired_link: bytes | None


@dataclass(frozen=True, slots=True)
class _Read:
    """All about a chain but its events, read at one moment."""

    row: _End | None
    last_number: int
    beside: int
    seals: list[Seal]


async def open_pool(url: str) -> Pool:
    """Connections to the store for a verification, which may take its time. ``url`` is the owner's."""
    return await Pool.open(
        url, size=3, application_name="portico-verify", command_timeout=3600, server_settings=store.SESSION | _PATIENCE
    )


async def verify(
    pool: Pool,
    *,
    keys: PublicKeys,
    exported: ExportedSeals,
    now: datetime,
    agency_id: UUID | None = None,
    since: datetime | None = None,
) -> AsyncIterator[Begun | Walked | ChainReport]:
    """Verify the chains of one agency, or of all; needs a pool of the store's owner.

    Tells how far it is, and a report for each chain when it is through with it, the latest year of an agency first.
    With ``since`` each chain is walked from its last good seal before that moment on.
    """
    async with pool.transaction(None) as conn:
        # What was exported is in the database, or was taken out of it.
        await conn.execute(SEALING["no_sealing_now"])
    async with pool.transaction(None) as conn:
        events: int = await conn.fetchval(SQL["counted"], agency_id)
        years = await _chains(conn, exported, agency_id)
    yield Begun(events, sum(map(len, years.values())))
    for agency in sorted(years):
        left = years[agency]
        starts: dict[int, list[Known]] = {}
        # The latest year first: where it begins says how the one before it ended.
        while left:
            year = max(left)
            left.discard(year)
            verification = _Verification(pool, Chain(agency, year), keys, exported, since, now)
            async for step in verification.run(starts.get(year, ())):
                yield step
            if verification.start is not None:
                before, known = verification.start
                starts.setdefault(before, []).append(known)
                left.add(before)


async def _chains(conn: Connection, exported: ExportedSeals, agency_id: UUID | None) -> dict[UUID, set[int]]:
    """Which chains there are, by their rows, by seals, and by the events themselves."""
    found = {Chain(**r) for name in ("chains", "sealed_chains") for r in await conn.fetch(SQL[name], agency_id)}
    found |= {chain for chain in exported.chains() if agency_id in (None, chain.agency_id)}
    first: UUID | None = _LOWEST
    while first is not None and (id_ := await conn.fetchval(SQL["next_id"], first)) is not None:
        low, last = Chain(_LOWEST, year_of(id_)).ids
        found |= {Chain(r[0], year_of(id_)) for r in await conn.fetch(SQL["agencies_between"], low, last, agency_id)}
        first = UUID(int=last.int + 1) if last.int + 1 < 2**128 else None
    years: dict[UUID, set[int]] = {}
    for chain in found:
        if chain.year in _YEARS:
            years.setdefault(chain.agency_id, set()).add(chain.year)
    return years


class _Verification:
    """One chain. ``start`` is the agency's earlier chain that it names, with the link that it says this one had."""

    def __init__(
        self,
        pool: Pool,
        chain: Chain,
        keys: PublicKeys,
        exported: ExportedSeals,
        since: datetime | None,
        now: datetime,
    ) -> None:
        self._pool = pool
        self._chain = chain
        self._keys = keys
        self._exported = exported
        self._since = since
        self._now = now
        self.start: tuple[int, Known] | None = None

    async def run(self, starts: Sequence[Known]) -> AsyncIterator[Walked | ChainReport]:
        """Walk it. ``starts`` is what later chains say of it. Once more when its year was retired meanwhile."""
        while True:
            read = await self._read()
            evidence = weigh(read.seals, self._exported.of(self._chain), self._keys)
            for known in starts:
                evidence.add(known)
            self._note_start(read.row, evidence)
            walk = self._begin(read.row, evidence)
            async for step in steps(self._pool, walk, max(read.last_number, read.row.seq if read.row else 0)):
                yield step
            if walk.whole or not await self._retired_since(read.row):
                break
            yield Walked(-walk.walked)
        yield await self._report(read, evidence, walk)

    async def _read(self) -> _Read:
        agency_id, (low, high) = self._chain.agency_id, self._chain.ids
        async with self._pool.transaction(None) as conn:
            await conn.execute(SQL["one_moment"])
            row = await conn.fetchrow(SQL["end_of_chain"], agency_id, self._chain.year)
            last: int | None = await conn.fetchval(SQL["last_number"], agency_id, low, high)
            beside: int = await conn.fetchval(SQL["beside_the_chain"], agency_id, low, high)
            seals = await conn.fetch(SQL["seals"], agency_id, self._chain.year)
        return _Read(_End(**row) if row else None, last or 0, beside, [Seal(**s) for s in seals])

    def _note_start(self, row: _End | None, evidence: Evidence) -> None:
        says = evidence.first or row
        if says is None or says.previous_year is None or says.previous_seq is None or says.previous_link is None:
            return
        if says.previous_year in _YEARS and says.previous_year < self._chain.year:
            name = f"the start of the chain of {self._chain.year}"
            self.start = says.previous_year, Known(says.previous_seq, says.previous_link, name)

    def _begin(self, row: _End | None, evidence: Evidence) -> Walk:
        """Where the walk starts: at the beginning, at what was retired, or at a seal that is believed."""
        says = evidence.first or row
        start = start_of(self._chain.agency_id, self._chain.year, says.previous_link if says else None)
        walk = Walk(self._chain, 0, start, evidence.known, row.seq if row else None)
        if row is not None and row.retired_link is not None:
            walk = Walk(self._chain, row.retired_seq, row.retired_link, evidence.known, row.seq)
        believed = evidence.last_before(self._since) if self._since is not None else None
        if believed is not None and believed.seq >= walk.began:
            walk = Walk(self._chain, believed.seq, believed.link, evidence.known, row.seq if row else None)
            walk.since_seal = believed.sealed_at
        return walk

    async def _retired_since(self, row: _End | None) -> bool:
        async with self._pool.transaction(None) as conn:
            r = await conn.fetchrow(SQL["end_of_chain"], self._chain.agency_id, self._chain.year)
        return r is not None and row is not None and r["retired_seq"] != row.retired_seq

    async def _report(self, read: _Read, evidence: Evidence, walk: Walk) -> ChainReport:
        row = read.row
        findings = []
        async with self._pool.transaction(None) as conn:
            if row is None and not walk.known:
                findings += await self._without_chain(conn, read)
            elif walk.contradicted is not None:
                findings.append(await self._rewritten(conn, walk, walk.contradicted))
            elif not walk.whole:
                end = Known(row.seq, row.link, "its row in audit.chains") if row and row.seq > walk.seq else None
                findings.append(await named(conn, walk.place(end)))
            else:
                findings += await self._at_the_end(conn, read, walk)
            findings += await self._beside(conn, read, evidence)
            findings += await self._row(conn, row, evidence, walk)
        return ChainReport(
            chain=self._chain,
            events=walk.walked,
            erased=walk.erased,
            unchained=read.beside,
            retired=row.retired_seq if row and row.retired_link is not None else 0,
            began_after=walk.began,
            since_seal=walk.since_seal,
            sealed_seq=walk.agreed.seq if walk.agreed else None,
            sealed_at=walk.agreed.sealed_at if walk.agreed else None,
            last_seq=walk.seq,
            rows=max(0, row.seq - row.retired_seq) if row else 0,
            findings=tuple(findings + evidence.findings),
        )

    async def _rewritten(self, conn: Connection, walk: Walk, known: Known) -> Finding:
        """Sound in itself, but not what was sealed."""
        if walk.seq > walk.began and (finding := await contradicted(conn, walk.place(None), known)) is not None:
            return finding
        if walk.agreed is None and walk.began == 0:
            text, first = "the whole chain was rewritten", 1
        else:
            first = (walk.agreed.seq if walk.agreed else walk.began) + 1
            at = walk.agreed.sealed_at if walk.agreed else walk.since_seal
            sealed = f" (last good seal at {at:%Y-%m-%d %H:%M:%S} UTC)" if at else ""
            text = f"rewritten after event {first - 1:,}{sealed}"
        # Known of the start itself: nothing was walked yet.
        first = max(1, min(first, known.seq))
        text += f": {known.name} has another link for event {known.seq:,}"
        return Finding("rewritten", text, first, await _id_at(conn, self._chain, first))

    async def _at_the_end(self, conn: Connection, read: _Read, walk: Walk) -> list[Finding]:
        """Every event fits: are there as many as there should be?"""
        beyond = [k for number, ks in walk.known.items() if number > walk.seq for k in ks]
        if beyond:
            furthest = max(beyond, key=lambda k: k.seq)
            if walk.seq == 0 and read.row is None:
                text = f"the whole chain is missing: {furthest.name} knows {furthest.seq:,} events"
                return [Finding("missing", text, 1)]
            text = f"events {walk.seq + 1:,} to {furthest.seq:,} were removed at the end: {furthest.name} knows them"
            return [Finding("removed", text, walk.seq + 1)]
        if read.row is None:
            return [Finding("missing", "its row in audit.chains is missing, its events are there")]
        if walk.seq > read.row.seq:
            vouched = walk.agreed is not None and walk.agreed.seq > read.row.seq
            return [await beyond_the_end(conn, self._chain, read.row.seq, walk.seq, vouched=vouched)]
        return []

    async def _without_chain(self, conn: Connection, read: _Read) -> list[Finding]:
        if read.last_number == 0:
            return []
        lowest = await conn.fetchrow(SQL["lowest_number"], self._chain.agency_id, *self._chain.ids)
        seq, event_id = (lowest["seq"], lowest["id"]) if lowest is not None else (None, None)
        return [Finding("inserted", "events of a year for which there is no chain", seq, event_id)]

    async def _beside(self, conn: Connection, read: _Read, evidence: Evidence) -> list[Finding]:
        """Events without a number: as many as were there before there were chains."""
        row = read.row
        if row is not None and row.retired_link is not None:
            expected = 0
        else:
            says = evidence.first or row
            expected = says.unchained if says is not None else 0
        if read.beside == expected:
            return []
        if read.beside < expected:
            return [Finding("removed", f"{expected - read.beside:,} of {expected:,} events beside the chain are gone")]
        event_id = await conn.fetchval(SQL["first_beside_the_chain"], self._chain.agency_id, *self._chain.ids)
        text = f"{read.beside:,} events without a number, and {expected:,} are known"
        return [Finding("inserted", text, None, event_id)]

    async def _row(self, conn: Connection, row: _End | None, evidence: Evidence, walk: Walk) -> list[Finding]:
        """What the chain's row says, against what is known better."""
        if row is None:
            return []
        found = []
        first = evidence.first
        if first is not None and (row.previous_year, row.previous_seq, row.previous_link) != (
            first.previous_year,
            first.previous_seq,
            first.previous_link,
        ):
            found.append(Finding("row-changed", "its row in audit.chains says another start than its first seal"))
        if walk.link_at_end is not None and walk.link_at_end != row.link:
            found.append(
                Finding("row-changed", "its row in audit.chains has another link than its last event", row.seq)
            )
        if row.retired_link is None:
            return found
        if self._now.date() < first_day_without(self._chain.year, LEAST_YEARS):
            text = f"events 1 to {row.retired_seq:,} were removed as retired, before the time of their year was over"
            found.append(Finding("removed", text, 1))
        lowest = await conn.fetchrow(SQL["lowest_number"], self._chain.agency_id, *self._chain.ids)
        if lowest is not None and lowest["seq"] <= row.retired_seq:
            text = f"event {lowest['seq']:,} is there, although its year was retired"
            found.append(Finding("inserted", text, lowest["seq"], lowest["id"]))
        return found


async def _id_at(conn: Connection, chain: Chain, number: int) -> UUID | None:
    found: UUID | None = await conn.fetchval(SQL["id_at"], chain.agency_id, *chain.ids, number)
    return found
