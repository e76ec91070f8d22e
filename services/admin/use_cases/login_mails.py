"""The e-mails to the owners of portal logins: what staff see of each one's way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.accounts import portal_logins
from shared.actors import Actor
from shared.deliveries import marks
from shared.deliveries import store as deliveries
from shared.deliveries.timeline import Followed, followed
from shared.errors import NotFound
from shared.outbox import Work
from shared.rights import Right, needs


@dataclass(frozen=True, slots=True)
class Newest:
    """A login's newest e-mails; ``more`` says that there are older ones."""

    mails: Sequence[Followed]
    more: bool


@needs(Right.MANAGE_PORTAL_LOGINS)
async def of_login(work: Work, *, actor: Actor, login_id: UUID, before: UUID | None, limit: int) -> list[Followed]:
    """The e-mails sent to a login's owner, newest first; ``before`` is the last one seen. Raises NotFound."""
    async with work.pool.transaction(actor.agency_id) as conn:
        if await portal_logins.by_id(conn, login_id) is None:
            raise NotFound
        found = await deliveries.of_person(conn, login_id, before=before, limit=limit)
        return await followed(conn, found, work.clock())


@needs(Right.MANAGE_PORTAL_LOGINS)
async def newest(work: Work, *, actor: Actor, login_ids: Sequence[UUID], limit: int) -> Mapping[UUID, Newest]:
    """The newest e-mails of each of these logins, for a page about all of them."""
    async with work.pool.transaction(actor.agency_id) as conn:
        found = await marks.newest_of_logins(conn, login_ids, limit + 1)
        told = await followed(conn, [mail for mails in found.values() for mail in mails[:limit]], work.clock())
    by_id = {mail.delivery.id: mail for mail in told}
    return {
        login_id: Newest([by_id[mail.id] for mail in mails[:limit]], len(mails) > limit)
        for login_id, mails in found.items()
    }
