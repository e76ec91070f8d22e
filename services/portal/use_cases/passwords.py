"""The owners of portal logins choose and change their passwords, get back in without one, and say what was not them."""

from __future__ import annotations

from datetime import timedelta

from services.portal.use_cases.mails import Mails
from services.portal.use_cases.owners import PORTAL_LOGINS
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
    mails: Mails,
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
        PORTAL_LOGINS,
        mails,
        token=token,
        purpose=purpose,
        new_password=new_password,
        origin=origin,
        with_cookie=with_cookie,
    )


@needs(Right.CHANGE_OWN_PASSWORD)
async def change(
    work: Work,
    hasher: PasswordHasher,
    signer: Signer,
    mails: Mails,
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
        PORTAL_LOGINS,
        mails,
        actor=actor,
        current_password=current_password,
        new_password=new_password,
        with_cookie=with_cookie,
    )


@needs(Right.CHANGE_OWN_PASSWORD)
async def least_of(work: Work, *, actor: Actor) -> int:
    """As in :func:`shared.accounts.passwords.least_of`."""
    return await passwords.least_of(work, PORTAL_LOGINS, actor=actor)


async def chooser(work: Work, *, token: str) -> passwords.Chooser:
    """As in :func:`shared.accounts.passwords.chooser`."""
    return await passwords.chooser(work, PORTAL_LOGINS, token=token)


async def forgot(
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
    """As in :func:`shared.accounts.resets.request`, at a contracted agency."""
    await resets.request(
        work,
        PORTAL_LOGINS,
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
    await reports.report(work, PORTAL_LOGINS, gate, token=token, origin=origin)
