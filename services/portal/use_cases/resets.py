"""A forgotten password: an e-mail with a code that lets its reader choose another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from services.portal.use_cases.mails import Mails
from services.portal.use_cases.sign_in import actor_of, subject_of
from shared.accounts import agencies, portal_logins, sessions
from shared.accounts.access import Origin
from shared.accounts.portal_logins import PortalLogin
from shared.deliveries import store as deliveries
from shared.events.catalogue import PortalPasswordResetRequested
from shared.outbox import Transaction, Work
from shared.security.gate import Gate

RESET_PATH: Final = "reset"
"""The page behind the e-mail's link, below the address in its context; the code follows as ``#token=``."""

# Asked again within it, the e-mail that is on its way is enough: nobody's mailbox is filled by pressing a button.
PAUSE: Final = timedelta(seconds=60)
# Nor by pressing it all day.
MOST: Final = 5
MOST_WITHIN: Final = timedelta(days=1)
# Longer than the work for a login that exists takes, so that the answer comes after the same time for all.
ANSWER_AFTER: Final = timedelta(milliseconds=400)


@asynccontextmanager
async def answered_alike(after: timedelta) -> AsyncIterator[None]:
    """What is done in it takes that long for everybody, so that nobody learns from the time what it came to."""
    loop = asyncio.get_running_loop()
    due = loop.time() + after.total_seconds()
    yield
    await asyncio.sleep(due - loop.time())


async def request(
    work: Work,
    mails: Mails,
    gate: Gate,
    *,
    slug: str,
    username: str,
    email: str,
    origin: Origin,
    answer_after: timedelta = ANSWER_AFTER,
) -> None:
    """Mail a reset code, if username and e-mail address are those of an active login at a contracted agency.

    Nobody learns from the answer, or from the time it takes, whether they are. Raises TooManyAttempts.
    """
    await gate.admit(origin.address)
    async with answered_alike(answer_after):
        await _request(work, mails, slug, username, email, origin)


async def _request(work: Work, mails: Mails, slug: str, username: str, email: str, origin: Origin) -> None:
    async with work.pool.transaction(None) as conn:
        agency = await agencies.by_slug(conn, slug)
    if agency is None or not agency.contracted:
        return
    async with work.pool.transaction(agency.id) as conn:
        login = await portal_logins.by_username(conn, username)
    if login is None or login.email.casefold() != email.casefold():
        return
    async with work.transaction(actor_of(agency, login, origin)) as tx:
        current = await portal_logins.lock(tx.conn, login.id)
        if current is not None and current.email == login.email and await _may_have(tx, current):
            await tx.append(PortalPasswordResetRequested(username=login.username), subject_of(login))
            await mails.reset(tx, current, agency)


async def _may_have(tx: Transaction, login: PortalLogin) -> bool:
    # A login that staff gave no password yet gets none here either.
    if not login.active or login.reported_at is not None or login.password_state(tx.now) == "none":
        return False
    if await deliveries.open_mail(tx.conn, login.id) == "temporary_password":
        # What they need is on its way, and a reset would take its place in the queue.
        return False
    if login.email_waits(tx.now) and login.password_hash is not None:
        return False
    asked = await sessions.last_reset(tx.conn, login.id, tx.now)
    if asked is not None and tx.now - asked < PAUSE:
        return False
    return await sessions.resets_since(tx.conn, login.id, tx.now - MOST_WITHIN) < MOST
