"""Where somebody is signed in, and how they end sessions that they do not want."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address
from uuid import UUID

from shared.accounts import access, sessions
from shared.accounts.sessions import SQL, SessionKind
from shared.actors import Actor
from shared.errors import NotFound, NotSignedIn
from shared.outbox import Transaction, Work
from shared.security.session_limits import IDLE


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that is good at this moment; ``current`` is the one that asks."""

    id: UUID
    user_agent: str
    address: IPv4Address | IPv6Address | None
    started_at: datetime
    last_seen_at: datetime
    current: bool


async def of_actor(work: Work, *, actor: Actor, kind: SessionKind) -> list[OpenSession]:
    """The actor's open sessions: this one first, then the latest used."""
    async with work.transaction(actor) as tx:
        return await open_of(tx, kind, actor.id)


async def open_of(tx: Transaction, kind: SessionKind, person_id: UUID | None) -> list[OpenSession]:
    """A person's open sessions; who asks has seen to the right. The one that asks stands first, if it is among them."""
    rows = await tx.conn.fetch(SQL[f"{kind}_open"], person_id, tx.now - IDLE, tx.now, tx.actor.session_id)
    return [OpenSession(**row) for row in rows]


async def end_one(work: Work, *, actor: Actor, kind: SessionKind, session_id: UUID) -> None:
    """End one of the actor's sessions; nothing happens when it had ended already. Raises NotFound."""
    async with work.pool.transaction(actor.agency_id) as conn:
        session = await sessions.by_id(conn, kind, session_id)
    if session is None or session.person_id != actor.id:
        raise NotFound
    reason: sessions.EndReason = "signed_out" if session_id == actor.session_id else "revoked"
    await access.end(work, actor.agency_id, kind, session, reason, actor=actor)


async def end_others(work: Work, *, actor: Actor, kind: SessionKind) -> int:
    """End all of the actor's sessions but this one; answers how many ended."""
    async with work.transaction(actor) as tx:
        return await end_all_others(tx, kind)


async def end_all_others(tx: Transaction, kind: SessionKind) -> int:
    """The same as a part of something larger. Raises NotSignedIn."""
    actor, ended = tx.actor, 0
    own = await sessions.by_id(tx.conn, kind, actor.session_id) if actor.session_id else None
    if own is None or actor.id is None:
        raise NotSignedIn
    event = access.ended_event(kind, actor.username, "revoked", person_id=actor.id, client_id=own.client_id)
    for session in await open_of(tx, kind, actor.id):
        if not session.current and await sessions.end(tx.conn, session.id, "revoked", tx.now):
            await tx.append(*event)
            ended += 1
    return ended
