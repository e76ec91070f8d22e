"""Staff sign in."""

from __future__ import annotations

from typing import NoReturn, TypeAlias

from shared.accounts import access, agencies, identity_providers, second_steps, sessions, sign_in_budgets, staff
from shared.accounts.access import Origin, SignedIn
from shared.accounts.agencies import Agency
from shared.accounts.factor_owners import of_staff
from shared.accounts.identity_providers import LocalSignInOff
from shared.accounts.owners import usable_hash
from shared.accounts.password_mails import PasswordMails
from shared.accounts.passwords import (
    PasswordChangeRequired,
    TemporaryPasswordExpired,
    require_change,
    require_longer,
)
from shared.accounts.second_steps import SecondFactorRequired
from shared.accounts.sign_in_budgets import FAILURES, Budget
from shared.accounts.staff import StaffUser
from shared.actors import Actor
from shared.deliveries import marks
from shared.errors import BadCredentials, DomainError
from shared.events import Subject
from shared.events.catalogue import Proof
from shared.events.staff_catalogue import StaffLocked, StaffSessionRefused, StaffSessionStarted
from shared.outbox import Transaction, Work
from shared.security.gate import Gate, at_the_gate
from shared.security.tokens import NOBODY, Signer

Outcome: TypeAlias = SignedIn | PasswordChangeRequired | SecondFactorRequired | DomainError
"""What a sign-in comes to, before a refusal is raised."""


@at_the_gate
async def sign_in(
    work: Work,
    gate: Gate,
    signer: Signer,
    mails: PasswordMails[StaffUser],
    *,
    slug: str,
    username: str,
    password: str,
    origin: Origin,
    with_cookie: bool,
) -> SignedIn | PasswordChangeRequired | SecondFactorRequired:
    """Begin a staff session; with a temporary password none begins: the answer is what it takes to choose one's own.

    None begins either while a second factor is to be shown, or set up.

    Raises TemporaryPasswordExpired, TooManyAttempts, Busy, LocalSignInOff, and BadCredentials, the same for whatever
    else is wrong and after the same work.
    """
    async with work.pool.transaction(None) as conn:
        agency = await agencies.by_slug(conn, slug)
    user, known = await _look_up(work, gate, agency, username, origin) if agency else (None, False)
    # Outside any transaction: a hash may wait for its turn and must not hold a connection meanwhile.
    proved = await gate.proves(usable_hash(user), password, address=origin.address, known=known)
    if agency is None:
        raise BadCredentials
    async with work.transaction(actor_of(agency, user, origin)) as tx:
        # Somebody may have made the user inactive, or changed the password, while the hash was being checked.
        current = await staff.lock(tx.conn, user.id if user else NOBODY)
        proved = proved and usable_hash(current) == usable_hash(user)
        admitted = await _admitted(tx, mails, agency, current, origin, proved=proved)
        result: Outcome = BadCredentials()
        if admitted is not None:
            result = await _go_in(
                tx, mails, agency, admitted, password, signer=signer, origin=origin, with_cookie=with_cookie
            )
    # Not raised before: the refusal's event has to be committed.
    if isinstance(result, DomainError):
        raise result
    if not isinstance(result, PasswordChangeRequired) and user is not None:
        await _renew_hash(work, gate, agency, user, password)
    return result


async def _look_up(
    work: Work, gate: Gate, agency: Agency, username: str, origin: Origin
) -> tuple[StaffUser | None, bool]:
    """Whoever has this username, and whether on this browser they have signed in before. Raises LocalSignInOff."""
    async with work.pool.transaction(agency.id) as conn:
        user = await staff.by_username(conn, username)
        provider = await identity_providers.of_agency(conn)
        known = await sign_in_budgets.known(conn, "staff", user.id if user else NOBODY, origin.device)
    if provider is not None and not provider.local_sign_in:
        await _refuse_local(work, gate, agency, user, origin)
    return user, known


async def _renew_hash(work: Work, gate: Gate, agency: Agency, user: StaffUser, password: str) -> None:
    renewed = await gate.renewed(user.password_hash, password)
    if renewed is not None and user.password_hash is not None:
        async with work.pool.transaction(agency.id) as conn:
            await staff.renew_hash(conn, user.id, user.password_hash, renewed)


async def _refuse_local(work: Work, gate: Gate, agency: Agency, user: StaffUser | None, origin: Origin) -> NoReturn:
    # Whoever is asked for nothing could fill the log.
    await gate.admit(origin.address)
    async with work.transaction(actor_of(agency, user, origin)) as tx:
        refused = StaffSessionRefused(username=user.username if user else None, reason="local_sign_in_off")
        await tx.append(refused, subject_of(user) if user else Subject())
    raise LocalSignInOff


async def _admitted(
    tx: Transaction,
    mails: PasswordMails[StaffUser],
    agency: Agency,
    user: StaffUser | None,
    origin: Origin,
    *,
    proved: bool,
) -> StaffUser | None:
    if user is None:
        await tx.append(StaffSessionRefused(username=None, reason="unknown_username"), Subject())
        return None
    subject = subject_of(user)
    budget = await sign_in_budgets.lock(tx, "staff", user.id, origin.device)
    if budget.locked(tx.now):
        await tx.append(StaffSessionRefused(username=user.username, reason="locked"), subject)
    elif proved:
        return user
    else:
        await tx.append(_refusal(tx, user), subject)
        await _count(tx, mails, agency, user, budget)
    return None


async def _count(
    tx: Transaction, mails: PasswordMails[StaffUser], agency: Agency, user: StaffUser, budget: Budget
) -> None:
    if usable_hash(user) is None:
        # There was nothing to guess.
        return
    until = await sign_in_budgets.failed(tx, "staff", user.id, budget)
    if until is not None:
        # Whoever tries to get in may have asked for an e-mail as well.
        await sessions.void_resets(tx.conn, user.id, tx.now)
        locked = StaffLocked(
            username=user.username, failures=FAILURES, until=until, known_device=budget.device is not None
        )
        await tx.append(locked, subject_of(user))
        await mails.refused(tx, user, agency, "wrong_passwords")


async def _go_in(
    tx: Transaction,
    mails: PasswordMails[StaffUser],
    agency: Agency,
    user: StaffUser,
    password: str,
    *,
    signer: Signer,
    origin: Origin,
    with_cookie: bool,
) -> Outcome:
    """What a right password comes to."""
    state = user.password_state(tx.now)
    if state == "own":
        longer = await require_longer(tx, agency, password, kind="staff", person_id=user.id)
        asked = longer or await second_steps.asked_of(tx, agency, of_staff(user), origin)
        if asked is not None:
            # Wrong codes must not be forgiven by a right password, so what went wrong still counts.
            return asked
    budget = await sign_in_budgets.lock(tx, "staff", user.id, origin.device)
    await sign_in_budgets.passed(tx, "staff", user.id, budget)
    if state == "temporary_expired":
        refused = StaffSessionRefused(username=user.username, reason="temporary_password_expired")
        await tx.append(refused, subject_of(user))
        return TemporaryPasswordExpired()
    if state == "temporary":
        await marks.mark(tx, user.id, mails.credentials, "opened")
        return await require_change(tx, agency, kind="staff", person_id=user.id)
    return await begin_session(tx, agency, user, signer=signer, origin=origin, with_cookie=with_cookie)


async def begin_session(
    tx: Transaction,
    agency: Agency,
    user: StaffUser,
    *,
    signer: Signer,
    origin: Origin,
    with_cookie: bool,
    how: Proof = "password",
) -> SignedIn:
    """Open a session for somebody who has just proved who they are, with its event."""
    session_id, cookie = await access.open_session(
        tx,
        kind="staff",
        person_id=user.id,
        origin=origin,
        with_cookie=with_cookie,
        single_sign_on=how == "single_sign_on",
    )
    tokens = None
    if not with_cookie:
        tokens = await access.first_tokens(tx, signer=signer, kind="staff", person_id=user.id, session_id=session_id)
    await staff.signed_in(tx.conn, user.id, tx.now)
    await tx.append(StaffSessionStarted(username=user.username, how=how), subject_of(user))
    return SignedIn(agency, session_id, cookie, tokens)


def _refusal(tx: Transaction, user: StaffUser) -> StaffSessionRefused:
    if not user.active:
        return StaffSessionRefused(username=user.username, reason="inactive")
    if user.reported_at is not None:
        return StaffSessionRefused(username=user.username, reason="locked")
    if user.password_state(tx.now) == "none":
        return StaffSessionRefused(username=user.username, reason="no_password")
    return StaffSessionRefused(username=user.username, reason="wrong_password")


def subject_of(user: StaffUser) -> Subject:
    """Whom an event of this staff user is about."""
    return Subject(staff_user_id=user.id)


def actor_of(agency: Agency, user: StaffUser | None, origin: Origin) -> Actor:
    """A staff user at the door, not signed in; nobody in particular when the username is unknown."""
    return Actor(
        agency_id=agency.id,
        kind="staff",
        id=user.id if user else None,
        username=user.username if user else "",
        name=user.display_name if user else "",
        role=user.role if user else None,
        address=origin.address,
        request_id=origin.request_id,
    )
