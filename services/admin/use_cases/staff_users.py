"""Agency admins add, change, unlock and sign out the staff users of their agency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from services.admin.use_cases.credentials import Credentials, TemporaryPassword
from services.admin.use_cases.mails import StaffMails
from services.admin.use_cases.sign_in import subject_of
from shared.accounts import access, agencies, own_sessions, second_factors, sessions, sign_in_budgets, staff
from shared.accounts.agencies import Agency
from shared.accounts.own_sessions import OpenSession
from shared.accounts.staff import StaffUser, StaffUsernameTaken
from shared.actors import Actor, Role
from shared.deliveries import store as deliveries
from shared.deliveries.store import Delivery
from shared.deliveries.timeline import Followed, followed
from shared.errors import Changed, DomainError, FieldError, InvalidFields, NotFound
from shared.events import Change
from shared.events.catalogue import yes_no
from shared.events.staff_catalogue import ROLE_NAMES, StaffCreated, StaffUnlocked, StaffUpdated
from shared.outbox import Transaction, Work
from shared.rights import Right, needs


class OwnRole(DomainError):
    """You cannot change your own role. Another agency admin can."""

    field = "role"


class OwnDeactivation(DomainError):
    """You cannot make yourself inactive. Another agency admin can."""

    field = "active"


class LastAgencyAdmin(DomainError):
    """Your agency needs at least one active agency admin. Make somebody else one first."""


@dataclass(frozen=True, slots=True)
class NewStaffUser:
    """Somebody to invite."""

    username: str
    display_name: str
    email: str
    role: Role


@dataclass(frozen=True, slots=True)
class StaffChange:
    """What is to be changed; None stays as it is. With ``reset_password`` a temporary password is made and mailed."""

    display_name: str | None = None
    email: str | None = None
    role: Role | None = None
    active: bool | None = None
    reset_password: bool = False


@dataclass(frozen=True, slots=True)
class StaffPage:
    """A page of the agency's staff; ``next_after`` is whom the next page begins after."""

    users: Sequence[StaffUser]
    next_after: UUID | None


@dataclass(frozen=True, slots=True)
class StaffFile:
    """A staff user with their open sessions and the latest e-mails to them."""

    user: StaffUser
    sessions: Sequence[OpenSession]
    mails: Sequence[Delivery]


@needs(Right.MANAGE_STAFF)
async def page(
    work: Work, *, actor: Actor, after: UUID | None = None, active: bool | None = None, limit: int = 25
) -> StaffPage:
    """The agency's staff by username; ``active`` leaves out the others.

    ``after`` is the last one of the page before. Raises InvalidFields when there is none.
    """
    async with work.pool.transaction(actor.agency_id) as conn:
        last = await staff.by_id(conn, after) if after else None
        if after and last is None:
            raise InvalidFields(FieldError("cursor", "This is no cursor that we gave out."))
        found = await staff.page(conn, after=last.username if last else None, active=active, limit=limit + 1)
    return StaffPage(found[:limit], found[limit - 1].id if len(found) > limit else None)


@needs(Right.MANAGE_STAFF)
async def read(work: Work, *, actor: Actor, staff_id: UUID) -> StaffUser:
    """One staff user. Raises NotFound."""
    async with work.pool.transaction(actor.agency_id) as conn:
        user = await staff.by_id(conn, staff_id)
    if user is None:
        raise NotFound
    return user


@needs(Right.MANAGE_STAFF)
async def file_of(work: Work, *, actor: Actor, staff_id: UUID, mails: int = 5) -> StaffFile:
    """One staff user with open sessions and the latest ``mails`` e-mails. Raises NotFound."""
    async with work.transaction(actor) as tx:
        user = await staff.by_id(tx.conn, staff_id)
        if user is None:
            raise NotFound
        found = await deliveries.of_person(tx.conn, user.id, before=None, limit=mails)
        return StaffFile(user, await own_sessions.open_of(tx, "staff", user.id), found)


@needs(Right.MANAGE_STAFF)
async def create(
    work: Work, credentials: Credentials, mails: StaffMails, *, actor: Actor, new: NewStaffUser
) -> StaffUser:
    """Add a staff user, who is sent a temporary password. Raises StaffUsernameTaken."""
    password = await credentials.make()
    async with work.transaction(actor) as tx:
        agency = await agencies.by_id(tx.conn, actor.agency_id)
        drafted = StaffUser(
            id=tx.new_id(),
            username=new.username,
            display_name=new.display_name,
            role=new.role,
            active=True,
            password_hash=None,
            email=new.email,
            created_at=tx.now,
            updated_at=tx.now,
        )
        user = _given(drafted, password, agency, tx)
        if not await staff.insert(tx.conn, actor.agency_id, user, tx.now):
            raise StaffUsernameTaken
        created = StaffCreated(username=user.username, role=user.role, display_name=user.display_name, email=user.email)
        await tx.append(created, subject_of(user))
        await mails.invitation(tx, user, password.secret, agency)
    return user


def _given(user: StaffUser, password: TemporaryPassword, agency: Agency, tx: Transaction) -> StaffUser:
    """The user as they are with this temporary password; whatever they had before is dead."""
    return replace(
        user,
        password_hash=None,
        temporary_password_hash=password.hash,
        temporary_password_expires_at=tx.now + timedelta(hours=agency.temporary_password_hours),
        reported_at=None,
    )


@needs(Right.MANAGE_STAFF)
async def update(
    work: Work,
    credentials: Credentials,
    mails: StaffMails,
    *,
    actor: Actor,
    staff_id: UUID,
    change: StaffChange,
    expected_version: int | None = None,
) -> StaffUser:
    """Change a staff user. With another role, a new password or inactive, their sessions end in the same transaction.

    Raises NotFound, Changed, OwnRole, OwnDeactivation, LastAgencyAdmin, InvalidFields.
    """
    # A new password may turn out to be due inside the transaction (see _wants_password), so one is made beforehand.
    may_need = change.reset_password or change.active is True or change.email is not None
    password = await credentials.make() if may_need else None
    async with work.transaction(actor) as tx:
        takes_away = change.role is not None or change.active is False
        # Before the user's own row: whoever takes admins away holds all of them in the same order.
        admins = await staff.lock_admins(tx.conn) if takes_away else frozenset()
        before = await staff.lock(tx.conn, staff_id)
        if before is None:
            raise NotFound
        if expected_version is not None and expected_version != before.version:
            raise Changed
        after = _changed(before, change)
        _refuse(actor, admins, before, after, change)
        withdrawn = await _withdraw_mail(tx, before, after)
        agency = await agencies.by_id(tx.conn, actor.agency_id)
        if password is not None and _wants_password(before, after, change, withdrawn=withdrawn, tx=tx):
            after = _given(after, password, agency, tx)
            after = await _write(tx, before, after)
            await mails.invitation(tx, after, password.secret, agency)
            await _tell_old_address(tx, mails, before, after, agency)
            return after
        if (change.reset_password or withdrawn) and not after.active:
            # They get another one when they are made active again.
            after = replace(after, password_hash=None, temporary_password_hash=None, temporary_password_expires_at=None)
        if after == before:
            return before
        after = await _write(tx, before, after)
        await _tell_old_address(tx, mails, before, after, agency)
        return after


async def _tell_old_address(
    tx: Transaction, mails: StaffMails, before: StaffUser, after: StaffUser, agency: Agency
) -> None:
    # At the old one, somebody has shown to read e-mails who chose a password; before that it may have been a slip.
    if before.email != after.email and before.active and before.password_state(tx.now) == "own":
        await mails.email_changed(tx, before, agency)


def _changed(user: StaffUser, change: StaffChange) -> StaffUser:
    return replace(
        user,
        display_name=user.display_name if change.display_name is None else change.display_name,
        email=user.email if change.email is None else change.email,
        role=user.role if change.role is None else change.role,
        active=user.active if change.active is None else change.active,
    )


def _refuse(actor: Actor, admins: frozenset[UUID], before: StaffUser, after: StaffUser, change: StaffChange) -> None:
    if before.id == actor.id and after.role != before.role:
        raise OwnRole
    if before.id == actor.id and before.active and not after.active:
        raise OwnDeactivation
    if before.id in admins and not admins - {before.id} and (after.role != "agency_admin" or not after.active):
        raise LastAgencyAdmin
    if change.reset_password and after.email is None:
        raise InvalidFields(FieldError("email", "Enter an e-mail address. The temporary password is sent there."))


async def _withdraw_mail(tx: Transaction, before: StaffUser, after: StaffUser) -> bool:
    """Take back what is still in the queue when it would go to a wrong address or to somebody inactive.

    Answers whether a temporary password was in it: its owner will not get that one any more.
    """
    if before.active and not after.active:
        reason = "staff user made inactive"
    elif before.email != after.email:
        reason = "address changed"
    else:
        return False
    return "staff_invitation" in await deliveries.end_open(tx, subject_of(before), state="cancelled", reason=reason)


def _wants_password(
    before: StaffUser, after: StaffUser, change: StaffChange, *, withdrawn: bool, tx: Transaction
) -> bool:
    if not after.active or after.email is None:
        return False
    # One that went to the address before is not to be used by whoever reads it there.
    gone_astray = before.email != after.email and before.temporary_password_hash is not None
    without_own = not before.active and before.password_state(tx.now) != "own"
    return change.reset_password or withdrawn or gone_astray or without_own


async def _write(tx: Transaction, before: StaffUser, after: StaffUser) -> StaffUser:
    password_updated = (after.password_hash, after.temporary_password_hash) != (
        before.password_hash,
        before.temporary_password_hash,
    )
    after = replace(after, updated_at=tx.now)
    after = replace(after, version=await staff.update(tx.conn, after))
    updated = StaffUpdated(
        username=after.username, changes=_differences(before, after), password_updated=password_updated
    )
    await tx.append(updated, subject_of(after))
    if password_updated or before.role != after.role or (before.active and not after.active):
        await _end_sessions(tx, after)
    elif before.email != after.email:
        # A code that went to the old address must not set a password any more.
        await sessions.void_password_tokens(tx.conn, after.id, tx.now)
    return after


def _differences(before: StaffUser, after: StaffUser) -> tuple[Change, ...]:
    pairs = (
        ("Name", before.display_name, after.display_name),
        ("E-mail", before.email, after.email),
        ("Role", ROLE_NAMES[before.role], ROLE_NAMES[after.role]),
        ("Active", yes_no(before.active), yes_no(after.active)),
    )
    return tuple(Change(field=field, old=old, new=new) for field, old, new in pairs if old != new)


async def _end_sessions(tx: Transaction, user: StaffUser) -> None:
    """End a person's sessions, each with its event, and void whatever could set their password or open a session."""
    await sessions.void_password_tokens(tx.conn, user.id, tx.now)
    await second_factors.start_over(tx.conn, "staff", user.id, tx.now)
    await access.end_all(tx, "staff", user.username, subject_of(user))


@needs(Right.MANAGE_STAFF)
async def unlock(work: Work, *, actor: Actor, staff_id: UUID) -> StaffUser:
    """Lift the lock of a staff user, and forget the wrong passwords; nothing happens where there are none.

    Raises NotFound.
    """
    async with work.transaction(actor) as tx:
        user = await staff.lock(tx.conn, staff_id)
        if user is None:
            raise NotFound
        if await sign_in_budgets.renew(tx, "staff", user.id):
            await tx.append(StaffUnlocked(username=user.username), subject_of(user))
    return replace(user, locked_until=None)


@needs(Right.MANAGE_STAFF)
async def sign_out(work: Work, *, actor: Actor, staff_id: UUID) -> StaffUser:
    """End all sessions of a staff user; their password stays good. Raises NotFound."""
    async with work.transaction(actor) as tx:
        user = await staff.lock(tx.conn, staff_id)
        if user is None:
            raise NotFound
        await _end_sessions(tx, user)
    return user


@needs(Right.MANAGE_STAFF)
async def deliveries_of(work: Work, *, actor: Actor, staff_id: UUID, before: UUID | None, limit: int) -> list[Followed]:
    """The e-mails sent to a staff user with their steps, newest first. Raises NotFound."""
    async with work.pool.transaction(actor.agency_id) as conn:
        if await staff.by_id(conn, staff_id) is None:
            raise NotFound
        found = await deliveries.of_person(conn, staff_id, before=before, limit=limit)
        return await followed(conn, found, work.clock())
