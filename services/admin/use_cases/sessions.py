"""Where staff work, and how they leave."""

from __future__ import annotations

from shared.accounts import access, agencies, staff
from shared.accounts.agencies import Agency
from shared.accounts.sessions import Session
from shared.accounts.staff import StaffUser
from shared.actors import Actor
from shared.errors import NotFound, NotSignedIn
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


async def me(work: Work, *, actor: Actor) -> StaffUser:
    """Whoever is signed in. Raises NotSignedIn."""
    async with work.pool.transaction(actor.agency_id) as conn:
        user = await staff.by_id(conn, actor.id) if actor.id else None
    if user is None:
        raise NotSignedIn
    return user
