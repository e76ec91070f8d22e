"""What somebody signed in sees of themselves, and how they leave."""

from __future__ import annotations

from dataclasses import dataclass

from shared.accounts import access, agencies, clients, portal_logins
from shared.accounts.agencies import Agency
from shared.accounts.clients import ClientNames
from shared.accounts.portal_logins import PortalLogin
from shared.accounts.sessions import Session
from shared.actors import Actor
from shared.errors import NotFound, NotSignedIn
from shared.outbox import Work


@dataclass(frozen=True, slots=True)
class Me:
    """A portal login with the client whose record it shows, and the agency."""

    login: PortalLogin
    client: ClientNames
    agency: Agency


async def me(work: Work, *, actor: Actor) -> Me:
    """Whoever is signed in. Raises NotSignedIn."""
    async with work.pool.transaction(actor.agency_id) as conn:
        login = await portal_logins.by_id(conn, actor.id) if actor.id else None
        if login is None:
            raise NotSignedIn
        agency = await agencies.by_id(conn, actor.agency_id)
        return Me(login, await clients.names(conn, login.client_id), agency)


async def sign_out(work: Work, *, actor: Actor, session: Session) -> None:
    """End the session; nothing happens when it had ended already."""
    await access.end(work, actor.agency_id, "portal", session, "signed_out", actor=actor)


async def agency_at(work: Work, *, slug: str) -> Agency:
    """The agency at a public address. Raises NotFound."""
    async with work.pool.transaction(None) as conn:
        agency = await agencies.by_slug(conn, slug)
    if agency is None:
        raise NotFound("There is no client portal at this address. Check it with the address in your e-mail.")
    return agency
