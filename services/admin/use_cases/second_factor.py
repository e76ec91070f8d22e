"""Second factors of staff, and of people who have lost theirs: resets, with a reason that is kept."""

from __future__ import annotations

from uuid import UUID

from services.admin.use_cases.credentials import Credentials
from services.admin.use_cases.mails import StaffMails
from services.admin.use_cases.portal_logins import end_sessions
from services.admin.use_cases.sign_in import begin_session
from shared.accounts import access, agencies, passkeys, portal_logins, second_factors, staff
from shared.accounts.access import Origin, SignedIn
from shared.accounts.agencies import Agency
from shared.accounts.factor_owners import FactorOwner, Factors
from shared.accounts.own_factors import NoSecondFactor
from shared.accounts.portal_logins import PortalLogin
from shared.accounts.sessions import SessionKind
from shared.accounts.staff import StaffUser
from shared.actors import Actor
from shared.errors import NotAllowed, NotFound, NotSignedIn
from shared.events import Subject
from shared.events.factor_catalogue import FactorChange, PortalSecondFactorReset, StaffSecondFactorReset
from shared.outbox import Transaction, Work
from shared.rights import Right, needs
from shared.security.boxes import Boxes
from shared.security.passwords import PasswordHasher
from shared.security.tokens import Signer


def factors_of(boxes: Boxes, hasher: PasswordHasher, signer: Signer, mails: StaffMails) -> Factors:
    """What the shared use cases need of the admin service."""

    async def tell(tx: Transaction, agency: Agency, owner: FactorOwner, what: FactorChange) -> None:
        user = await staff.by_id(tx.conn, owner.id)
        if user is not None:
            await mails.second_factor_changed(tx, user, agency, what)

    async def warn(tx: Transaction, agency: Agency, owner: FactorOwner) -> None:
        user = await staff.by_id(tx.conn, owner.id)
        if user is not None:
            await mails.refused(tx, user, agency, "wrong_codes")

    return Factors("staff", boxes, hasher, signer, _begin, tell, warn)


async def _begin(
    tx: Transaction, agency: Agency, person_id: UUID, *, signer: Signer, origin: Origin, with_cookie: bool
) -> SignedIn:
    user = await staff.by_id(tx.conn, person_id)
    if user is None:
        raise NotSignedIn
    return await begin_session(tx, agency, user, signer=signer, origin=origin, with_cookie=with_cookie)


class NothingToReset(NoSecondFactor):
    """There is no second factor to remove."""


async def _remove(tx: Transaction, kind: SessionKind, person_id: UUID) -> None:
    """The app with its codes, and the passkeys: the device that was lost may hold either. Raises NothingToReset."""
    names = await passkeys.remove_all(tx, kind, person_id)
    if not names and not await second_factors.methods_of(tx.conn, kind, person_id):
        raise NothingToReset
    await second_factors.remove(tx.conn, kind, person_id)


@needs(Right.MANAGE_PORTAL_LOGINS)
async def reset_of_login(
    work: Work, credentials: Credentials, *, actor: Actor, login_id: UUID, reason: str
) -> PortalLogin:
    """Remove the second factor of a portal login whose owner has lost it, passkeys and all; its sessions end.

    The password stays good. Its owner is told by e-mail. Raises NotFound, NotContracted, NothingToReset.
    """
    async with work.transaction(actor) as tx:
        agency = await agencies.by_id(tx.conn, actor.agency_id)
        agency.require_contract()
        login = await portal_logins.lock(tx.conn, login_id)
        if login is None:
            raise NotFound
        await _remove(tx, "portal", login.id)
        subject = Subject(client_id=login.client_id, portal_login_id=login.id)
        await tx.append(PortalSecondFactorReset(username=login.username, reason=reason), subject)
        await end_sessions(tx, login)
        await credentials.mail_factor_reset(tx, login, agency)
    return login


@needs(Right.MANAGE_STAFF)
async def reset_of_staff(work: Work, mails: StaffMails, *, actor: Actor, staff_user_id: UUID, reason: str) -> StaffUser:
    """Remove the second factor of a staff user who has lost it, passkeys and all; their sessions end.

    They are told by e-mail. Raises NotFound, NothingToReset, and NotAllowed for one's own: that is removed with the
    password, by its owner.
    """
    if staff_user_id == actor.id:
        raise NotAllowed("Remove your own second step under Sign-in Security.")
    async with work.transaction(actor) as tx:
        user = await staff.lock(tx.conn, staff_user_id)
        if user is None:
            raise NotFound
        await _remove(tx, "staff", user.id)
        await second_factors.start_over(tx.conn, "staff", user.id, tx.now)
        subject = Subject(staff_user_id=user.id)
        await tx.append(StaffSecondFactorReset(username=user.username, reason=reason), subject)
        await access.end_all(tx, "staff", user.username, subject)
        await mails.second_factor_reset(tx, user, await agencies.by_id(tx.conn, actor.agency_id))
    return user
