"""Staff sign in."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from shared.accounts import access, agencies, staff
from shared.accounts.access import Origin, SessionCookie, Tokens
from shared.accounts.agencies import Agency
from shared.accounts.staff import StaffUser
from shared.actors import Actor
from shared.errors import BadCredentials
from shared.events import Subject
from shared.events.catalogue import StaffSessionRefused, StaffSessionStarted
from shared.outbox import Transaction, Work
from shared.security.passwords import PasswordHasher
from shared.security.tokens import Signer


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has just begun: with a cookie for the pages, or with tokens for the API."""

    agency: Agency
    session_id: UUID
    cookie: SessionCookie | None
    tokens: Tokens | None


async def sign_in(
    work: Work,
    hasher: PasswordHasher,
    signer: Signer,
    *,
    slug: str,
    username: str,
    password: str,
    origin: Origin,
    with_cookie: bool,
) -> SignedIn:
    """Begin a staff session. Raises BadCredentials, the same for whatever is wrong, after the same work."""
    async with work.pool.transaction(None) as conn:
        agency = await agencies.by_slug(conn, slug)
    user: StaffUser | None = None
    if agency is not None:
        async with work.pool.transaction(agency.id) as conn:
            user = await staff.by_username(conn, username)
    # Outside any transaction: a hash may wait for its turn and must not hold a connection meanwhile.
    proved = await hasher.verify(user.password_hash if user and user.active else None, password)
    if agency is None:
        raise BadCredentials
    actor = _actor(agency, user, origin)
    async with work.transaction(actor) as tx:
        if user is None or not proved or not await _unchanged(tx, user):
            await tx.append(_refusal(user), Subject(staff_user_id=user.id if user else None))
            result = None
        else:
            result = await _begin(tx, agency, user, signer, origin, with_cookie)
    if result is None:
        raise BadCredentials
    return result


async def _begin(
    tx: Transaction, agency: Agency, user: StaffUser, signer: Signer, origin: Origin, with_cookie: bool
) -> SignedIn:
    session_id, cookie = await access.open_session(
        tx, kind="staff", person_id=user.id, origin=origin, with_cookie=with_cookie
    )
    tokens = None
    if not with_cookie:
        tokens = await access.first_tokens(tx, signer=signer, kind="staff", person_id=user.id, session_id=session_id)
    await tx.append(StaffSessionStarted(username=user.username), Subject(staff_user_id=user.id))
    return SignedIn(agency, session_id, cookie, tokens)


async def _unchanged(tx: Transaction, user: StaffUser) -> bool:
    # Somebody may have made the user inactive, or changed the password, while the hash was being checked.
    return await staff.by_id(tx.conn, user.id) == user


def _refusal(user: StaffUser | None) -> StaffSessionRefused:
    if user is None:
        return StaffSessionRefused(username=None, reason="unknown_username")
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
