"""Staff users choose and change their passwords, get back in without one, and say what was not them."""

from __future__ import annotations

from datetime import timedelta

from services.admin.use_cases.mails import StaffMails
from services.admin.use_cases.owners import STAFF_USERS
from shared.accounts import passwords, reports, resets
from shared.accounts.access import Origin, SignedIn
from shared.accounts.resets import ANSWER_AFTER
from shared.accounts.second_steps import SecondFactorRequired
from shared.accounts.sessions import PasswordTokenPurpose
from shared.actors import Actor
from shared.outbox import Work
from shared.rights import Right, needs
from shared.security.gate import Gate
from shared.security.passwords import PasswordHasher
from shared.security.tokens import Signer


async def choose(
    work: Work,
    hasher: PasswordHasher,
    signer: Signer,
    mails: StaffMails,
    *,
    token: str,
    purpose: PasswordTokenPurpose,
    new_password: str,
    origin: Origin,
    with_cookie: bool,
) -> SignedIn | SecondFactorRequired:
    """As in :func:`shared.accounts.passwords.choose`."""
    return await passwords.choose(
        work,
        hasher,
        signer,
        STAFF_USERS,
        mails,
        token=token,
        purpose=purpose,
        new_password=new_password,
        origin=origin,
        with_cookie=with_cookie,
    )


@needs(Right.CHANGE_OWN_STAFF_PASSWORD)
async def change(
    work: Work,
    hasher: PasswordHasher,
    signer: Signer,
    mails: StaffMails,
    *,
    actor: Actor,
    current_password: str,
    new_password: str,
    with_cookie: bool,
) -> SignedIn:
    """As in :func:`shared.accounts.passwords.change`."""
    return await passwords.change(
        work,
        hasher,
        signer,
        STAFF_USERS,
        mails,
        actor=actor,
        current_password=current_password,
        new_password=new_password,
        with_cookie=with_cookie,
    )


@needs(Right.CHANGE_OWN_STAFF_PASSWORD)
async def least_of(work: Work, *, actor: Actor) -> int:
    """As in :func:`shared.accounts.passwords.least_of`."""
    return await passwords.least_of(work, STAFF_USERS, actor=actor)


async def chooser(work: Work, *, token: str) -> passwords.Chooser:
    """As in :func:`shared.accounts.passwords.chooser`."""
    return await passwords.chooser(work, STAFF_USERS, token=token)


async def forgot(
    work: Work,
    mails: StaffMails,
    gate: Gate,
    *,
    slug: str,
    username: str,
    email: str,
    origin: Origin,
    answer_after: timedelta = ANSWER_AFTER,
) -> None:
    """As in :func:`shared.accounts.resets.request`."""
    await resets.request(
        work,
        STAFF_USERS,
        mails,
        gate,
        slug=slug,
        username=username,
        email=email,
        origin=origin,
        answer_after=answer_after,
    )


async def report(work: Work, gate: Gate, *, token: str, origin: Origin) -> None:
    """As in :func:`shared.accounts.reports.report`."""
    await reports.report(work, STAFF_USERS, gate, token=token, origin=origin)
