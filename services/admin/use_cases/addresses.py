"""E-mail addresses of portal logins at which nothing arrives: staff see them, and say when they work again."""

from __future__ import annotations

from uuid import UUID

from shared.accounts import portal_logins
from shared.accounts.portal_logins import PortalLogin
from shared.actors import Actor
from shared.deliveries import bounces
from shared.deliveries.bounces import Flag
from shared.errors import NotFound
from shared.events import Subject
from shared.events.delivery_catalogue import PortalLoginEmailCleared
from shared.outbox import Work
from shared.rights import Right, needs


@needs(Right.MANAGE_PORTAL_LOGINS)
async def flag_of(work: Work, *, actor: Actor, email: str) -> Flag | None:
    """Since when, and why, nothing is sent to the address; None when it works as far as anybody knows."""
    async with work.pool.transaction(actor.agency_id) as conn:
        found = await bounces.flags(conn, actor.agency_id, [email])
    return found.get(email.lower())


@needs(Right.MANAGE_PORTAL_LOGINS)
async def works_again(work: Work, *, actor: Actor, login_id: UUID) -> PortalLogin:
    """Send to a login's address again; nothing happens where e-mails do not come back. Raises NotFound."""
    async with work.transaction(actor) as tx:
        login = await portal_logins.lock(tx.conn, login_id)
        if login is None:
            raise NotFound
        if await bounces.lift(tx, login.email):
            subject = Subject(client_id=login.client_id, portal_login_id=login.id)
            await tx.append(PortalLoginEmailCleared(username=login.username), subject)
    return login
