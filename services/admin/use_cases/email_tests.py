"""A test e-mail to an agency's admin: through the real queue and server, so that a wrong setting is seen at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.admin.use_cases.mails import StaffMails
from services.admin.use_cases.sign_in import subject_of
from shared.accounts import agencies, staff
from shared.accounts.staff import StaffUser
from shared.actors import Actor
from shared.db import Connection
from shared.deliveries import store as deliveries
from shared.deliveries.store import Delivery
from shared.deliveries.timeline import Followed, followed
from shared.errors import DomainError
from shared.outbox import Work
from shared.rights import Right, needs

MAIL: Final = "email_test"
AT_MOST: Final = 5
WITHIN: Final = timedelta(minutes=10)
"""Each test signs in at a mail server, which may lock a username after some wrong passwords."""


class NoOwnAddress(DomainError):
    """You have no e-mail address here yet. Another agency admin can add it under Staff."""


class TooManyTests(DomainError):
    """You have sent some tests already. Please wait a few minutes."""

    status = 429


@dataclass(frozen=True, slots=True)
class LastTest:
    """The newest test of somebody, if there was one lately, and where it would go."""

    delivery: Delivery | None
    address: str | None


@needs(Right.MANAGE_AGENCY)
async def last(work: Work, *, actor: Actor) -> LastTest:
    """How the actor's newest test got on."""
    async with work.pool.transaction(actor.agency_id) as conn:
        me = await _me(conn, actor)
        return LastTest(await deliveries.latest_of(conn, me.id, MAIL), me.email)


@needs(Right.MANAGE_AGENCY)
async def send(work: Work, mails: StaffMails, *, actor: Actor) -> Followed:
    """Send one to the actor's own address; it takes the place of one that still waits.

    Raises NoOwnAddress, TooManyTests.
    """
    async with work.transaction(actor) as tx:
        agency = await agencies.lock(tx.conn, actor.agency_id)
        me = await _me(tx.conn, actor)
        if me.email is None:
            raise NoOwnAddress
        latest, count = await deliveries.sent_since(tx.conn, me.id, MAIL, tx.now - WITHIN)
        if count >= AT_MOST:
            raise TooManyTests(retry_after=_seconds_left(latest, tx.now))
        await deliveries.supersede(tx, subject_of(me), MAIL)
        await mails.email_test(tx, me, agency)
        sent = await deliveries.latest_of(tx.conn, me.id, MAIL)
        if sent is None:
            raise LookupError("the test was not queued")
        [found] = await followed(tx.conn, [sent], tx.now)
    return found


async def _me(conn: Connection, actor: Actor) -> StaffUser:
    me = await staff.by_id(conn, actor.id) if isinstance(actor.id, UUID) else None
    if me is None:
        raise LookupError("the actor is no staff user")
    return me


def _seconds_left(latest: datetime | None, now: datetime) -> int:
    return int((WITHIN - (now - (latest or now))).total_seconds()) + 1
