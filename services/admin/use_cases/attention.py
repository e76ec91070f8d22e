"""Which portal logins need the attention of staff."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.accounts import agencies, attention
from shared.accounts.attention import AttentionKind, Counts, InNeed, Place
from shared.actors import Actor
from shared.outbox import Work
from shared.rights import Right, needs


@dataclass(frozen=True, slots=True)
class AttentionPage:
    """A page of the list; ``next_after`` is where the next one begins."""

    counts: Counts
    logins: Sequence[InNeed]
    next_after: Place | None


@needs(Right.MANAGE_PORTAL_LOGINS)
async def count(work: Work, *, actor: Actor) -> Counts:
    """How many there are of each kind at the actor's agency; none without a contract for the client portal."""
    async with work.pool.transaction(actor.agency_id) as conn:
        if not (await agencies.by_id(conn, actor.agency_id)).contracted:
            return Counts()
        return await attention.count(conn, work.clock())


@needs(Right.MANAGE_PORTAL_LOGINS)
async def page(work: Work, *, actor: Actor, kind: AttentionKind, after: Place | None, limit: int) -> AttentionPage:
    """The logins of one kind, the latest first, with how many there are of each. Raises NotContracted."""
    now = work.clock()
    async with work.pool.transaction(actor.agency_id) as conn:
        (await agencies.by_id(conn, actor.agency_id)).require_contract()
        counts = await attention.count(conn, now)
        found = await attention.logins_of(conn, kind, now=now, after=after, limit=limit + 1)
    return AttentionPage(counts, found[:limit], found[limit - 1].place if len(found) > limit else None)
