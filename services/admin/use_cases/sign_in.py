"""Staff sign in."""

from __future__ import annotations

from shared.accounts import access, agencies, second_steps, sign_in_budgets, staff
from shared.accounts.access import Origin, SignedIn
from shared.accounts.agencies import Agency
from shared.accounts.factor_owners import of_staff
from shared.accounts.second_steps import SecondFactorRequired
from shared.accounts.sign_in_budgets import FAILURES, Budget
from shared.accounts.staff import StaffUser
from shared.actors import Actor
from shared.errors import BadCredentials
from shared.events import Subject
from shared.events.staff_catalogue import StaffLocked, StaffSessionRefused, StaffSessionStarted
from shared.outbox import Transaction, Work
from shared.security.gate import Gate
from shared.security.tokens import NOBODY, Signer


async def sign_in(
    work: Work,
    gate: Gate,
    signer: Signer,
    *,
    slug: str,
    username: str,
    password: str,
    origin: Origin,
    with_cookie: bool,
) -> SignedIn | SecondFactorRequired:
    """Begin a staff session; none begins while a second factor is to be shown, or set up.

    Raises TooManyAttempts, Busy, and BadCredentials, the same for whatever else is wrong and after the same work.
    """
    async with work.pool.transaction(None) as conn:
        agency = await agencies.by_slug(conn, slug)
    user: StaffUser | None = None
    known = False
    if agency is not None:
        async with work.pool.transaction(agency.id) as conn:
            user = await staff.by_username(conn, username)
            known = await sign_in_budgets.known(conn, "staff", user.id if user else NOBODY, origin.device)
    # Outside any transaction: a hash may wait for its turn and must not hold a connection meanwhile.
    stored = user.password_hash if user and user.active else None
    proved = await gate.proves(stored, password, address=origin.address, known=known)
    if agency is None:
        raise BadCredentials
    actor = _actor(agency, user, origin)
    async with work.transaction(actor) as tx:
        # Somebody may have made the user inactive, or changed the password, while the hash was being checked.
        current = await staff.lock(tx.conn, user.id if user else NOBODY)
        admitted = await _admitted(tx, current, origin, proved=proved and current == user)
        result: SignedIn | SecondFactorRequired | None = None
        if admitted is not None:
            result = await second_steps.asked_of(tx, agency, of_staff(admitted), origin)
            if result is None:
                result = await _pass(tx, agency, admitted, signer=signer, origin=origin, with_cookie=with_cookie)
    # Not raised before: the refusal's event has to be committed.
    if result is None:
        raise BadCredentials
    if user is not None and stored is not None:
        renewed = await gate.renewed(stored, password)
        if renewed is not None:
            async with work.pool.transaction(agency.id) as conn:
                await staff.renew_hash(conn, user.id, stored, renewed)
    return result


async def _admitted(tx: Transaction, user: StaffUser | None, origin: Origin, *, proved: bool) -> StaffUser | None:
    if user is None:
        await tx.append(StaffSessionRefused(username=None, reason="unknown_username"), Subject())
        return None
    subject = Subject(staff_user_id=user.id)
    budget = await sign_in_budgets.lock(tx, "staff", user.id, origin.device)
    if budget.locked(tx.now):
        await tx.append(StaffSessionRefused(username=user.username, reason="locked"), subject)
    elif proved:
        return user
    else:
        await tx.append(_refusal(user), subject)
        await _count(tx, user, budget)
    return None


async def _count(tx: Transaction, user: StaffUser, budget: Budget) -> None:
    if not user.active or user.password_hash is None:
        # There was nothing to guess.
        return
    until = await sign_in_budgets.failed(tx, "staff", user.id, budget)
    if until is not None:
        locked = StaffLocked(
            username=user.username, failures=FAILURES, until=until, known_device=budget.device is not None
        )
        await tx.append(locked, Subject(staff_user_id=user.id))


async def _pass(
    tx: Transaction, agency: Agency, user: StaffUser, *, signer: Signer, origin: Origin, with_cookie: bool
) -> SignedIn:
    # Not before: wrong codes must not be forgiven by a right password.
    budget = await sign_in_budgets.lock(tx, "staff", user.id, origin.device)
    await sign_in_budgets.passed(tx, "staff", user.id, budget)
    return await begin_session(tx, agency, user, signer=signer, origin=origin, with_cookie=with_cookie)


async def begin_session(
    tx: Transaction, agency: Agency, user: StaffUser, *, signer: Signer, origin: Origin, with_cookie: bool
) -> SignedIn:
    """Open a session for somebody who has just proved who they are, with its event."""
    session_id, cookie = await access.open_session(
        tx, kind="staff", person_id=user.id, origin=origin, with_cookie=with_cookie
    )
    tokens = None
    if not with_cookie:
        tokens = await access.first_tokens(tx, signer=signer, kind="staff", person_id=user.id, session_id=session_id)
    await tx.append(StaffSessionStarted(username=user.username), Subject(staff_user_id=user.id))
    return SignedIn(agency, session_id, cookie, tokens)


def _refusal(user: StaffUser) -> StaffSessionRefused:
    if not user.active:
        return StaffSessionRefused(username=user.username, reason="inactive")
    if user.password_hash is None:
        return StaffSessionRefused(username=user.username, reason="no_password")
    return StaffSessionRefused(username=user.username, reason="wrong_password")


def _actor(agency: Agency, user: StaffUser | None, origin: Origin) -> Actor:
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
