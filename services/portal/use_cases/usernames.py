"""A forgotten username: an e-mail with it, to the address that the login has."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from services.portal.use_cases.mails import Mails
from services.portal.use_cases.sign_in import actor_of, subject_of
from shared.accounts import agencies, portal_logins
from shared.accounts.access import Origin
from shared.accounts.agencies import Agency
from shared.accounts.portal_logins import PortalLogin
from shared.accounts.resets import ANSWER_AFTER, MOST, MOST_WITHIN, PAUSE, answered_alike
from shared.deliveries import store as deliveries
from shared.events.catalogue import PortalUsernameRequested
from shared.outbox import Transaction, Work
from shared.security.gate import Gate

# A family may share an address. Each login gets an e-mail of its own, since each is a delivery of its own.
_MOST_LOGINS: Final = 5


async def request(
    work: Work,
    mails: Mails,
    gate: Gate,
    *,
    slug: str,
    email: str,
    origin: Origin,
    answer_after: timedelta = ANSWER_AFTER,
) -> None:
    """Mail the usernames of the active logins that have this address, at a contracted agency.

    Nobody learns from the answer, or from the time it takes, whether there are any. Raises TooManyAttempts.
    """
    await gate.admit(origin.address)
    async with answered_alike(answer_after):
        await _request(work, mails, slug, email, origin)


async def _request(work: Work, mails: Mails, slug: str, email: str, origin: Origin) -> None:
    async with work.pool.transaction(None) as conn:
        agency = await agencies.by_slug(conn, slug)
    if agency is None or not agency.contracted:
        return
    async with work.pool.transaction(agency.id) as conn:
        found = await portal_logins.active_by_email(conn, email, _MOST_LOGINS)
    for login in found:
        await _mail(work, mails, agency, login, origin)


async def _mail(work: Work, mails: Mails, agency: Agency, login: PortalLogin, origin: Origin) -> None:
    async with work.transaction(actor_of(agency, login, origin)) as tx:
        current = await portal_logins.lock(tx.conn, login.id)
        if current is not None and current.active and current.email == login.email and await _may_have(tx, current):
            await tx.append(PortalUsernameRequested(username=login.username), subject_of(login))
            await mails.username(tx, current, agency)


async def _may_have(tx: Transaction, login: PortalLogin) -> bool:
    latest, count = await deliveries.sent_since(tx.conn, login.id, "username", tx.now - MOST_WITHIN)
    return count < MOST and (latest is None or tx.now - latest >= PAUSE)
