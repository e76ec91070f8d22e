"""A forgotten password: an e-mail with a code that lets its reader choose another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from shared.accounts import agencies, sessions
from shared.accounts.access import Origin
from shared.accounts.owners import Owners, P, email_waits, password_state
from shared.accounts.password_mails import PasswordMails
from shared.deliveries import store as deliveries
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
    owners: Owners[P],
    mails: PasswordMails[P],
    gate: Gate,
    *,
    slug: str,
    username: str,
    email: str,
    origin: Origin,
    answer_after: timedelta = ANSWER_AFTER,
) -> None:
    """Mail a reset code, if username and e-mail address are those of one active person.

    Nobody learns from the answer, or from the time it takes, whether they are. Raises TooManyAttempts.
    """
    await gate.admit(origin.address)
    async with answered_alike(answer_after):
        await _request(work, owners, mails, slug, username, email, origin)


async def _request(
    work: Work, owners: Owners[P], mails: PasswordMails[P], slug: str, username: str, email: str, origin: Origin
) -> None:
    async with work.pool.transaction(None) as conn:
        agency = await agencies.by_slug(conn, slug)
    if agency is None or (owners.contracted_only and not agency.contracted):
        return
    async with work.pool.transaction(agency.id) as conn:
        person = await owners.by_username(conn, username)
    if person is None or person.email is None or person.email.casefold() != email.casefold():
        return
    async with work.transaction(owners.actor_of(agency, person, origin)) as tx:
        current = await owners.lock(tx.conn, person.id)
        if current is not None and current.email == person.email and await _may_have(tx, mails, current):
            await tx.append(owners.reset_requested(username=person.username), owners.subject_of(person))
            await mails.reset(tx, current, agency)


async def _may_have(tx: Transaction, mails: PasswordMails[P], person: P) -> bool:
    # Somebody who was given no password yet gets none here either.
    if not person.active or person.reported_at is not None or password_state(person, tx.now) == "none":
        return False
    if await deliveries.open_mail(tx.conn, person.id) in mails.credentials:
        # What they need is on its way, and a reset would take its place in the queue.
        return False
    if email_waits(person, tx.now) and person.password_hash is not None:
        return False
    asked = await sessions.last_reset(tx.conn, person.id, tx.now)
    if asked is not None and tx.now - asked < PAUSE:
        return False
    return await sessions.resets_since(tx.conn, person.id, tx.now - MOST_WITHIN) < MOST
