"""Where staff work, and how they leave."""

from __future__ import annotations

from shared.accounts import access, agencies
from shared.accounts.agencies import Agency
from shared.accounts.sessions import Session
from shared.actors import Actor
from shared.errors import NotFound
from shared.outbox import Work


async def agency_at(work: Work, *, slug: str) -> Agency:
    """The agency at a public address. Raises NotFound."""
    async with work.pool.transaction(None) as conn:
        agency = await agencies.by_slug(conn, slug)
    if agency is None:
        raise NotFound("There is no agency at this address.")
    return agency


async def sign_out(work: Work, *, actor: Actor, session: Session) -> None:
    """End the session; nothing happens when it had ended already."""
    await access.end(work, actor.agency_id, "staff", session, "signed_out", actor=actor)
