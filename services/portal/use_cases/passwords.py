"""The owners of portal logins choose and change their passwords."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from services.portal.use_cases.mails import Mails
from services.portal.use_cases.sign_in import SignedIn, actor_of, begin_session, subject_of
from shared.accounts import access, agencies, clients, portal_logins, sessions, sign_in_budgets
from shared.accounts.access import Origin, SessionCookie
from shared.accounts.agencies import Agency
from shared.accounts.clients import ClientNames
from shared.accounts.portal_logins import PortalLogin
from shared.accounts.sessions import PasswordTokenPurpose
from shared.accounts.sign_in_budgets import FAILURES
from shared.actors import Actor
from shared.db import Connection
from shared.deliveries import store as deliveries
from shared.errors import DomainError, FieldError, InvalidFields, NotSignedIn
from shared.events import Payload, Subject
from shared.events.catalogue import PortalLoginUnlocked, PortalPasswordChanged
from shared.outbox import Transaction, Work
from shared.rights import Right, needs
from shared.security.password_rules import PasswordRefused
from shared.security.passwords import PasswordHasher, normalized
from shared.security.tokens import Reference, Signer, parse_reference


class PasswordChangeExpired(DomainError):
    """The time to choose your password is over. Sign in again.

    A sign-in with a temporary password gives fifteen minutes, and one choice.
    """

    status = 401


class ResetExpired(DomainError):
    """This code is not right, was used already, or has expired. Ask for a new e-mail.

    A code from a reset e-mail is good for an hour and for one password; a newer e-mail takes its place.
    """

    status = 401


_EXPIRED: Final[Mapping[PasswordTokenPurpose, type[DomainError]]] = {
    "temporary": PasswordChangeExpired,
    "reset": ResetExpired,
}
_HOW: Final[Mapping[PasswordTokenPurpose, Literal["first", "reset"]]] = {"temporary": "first", "reset": "reset"}


@dataclass(frozen=True, slots=True)
class _Owner:
    """Whose password it is, with everything that a password must not hold."""

    agency: Agency
    login: PortalLogin
    client: ClientNames

    @property
    def context(self) -> tuple[str, ...]:
        mailbox = self.login.email.partition("@")[0]
        names = (self.client.first_name, self.client.last_name)
        return (self.login.username, mailbox, *names, self.agency.name, self.agency.slug)


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
) -> SignedIn:
    """Set a password with a single-use token, end every session that there is and begin one.

    The token stays good while passwords are refused. Raises PasswordChangeExpired or ResetExpired by ``purpose``,
    PasswordRefused, NotContracted.
    """
    reference = parse_reference(token)
    owner = await _owner_by_token(work, reference, purpose) if reference else None
    if reference is None or owner is None:
        raise _EXPIRED[purpose]
    owner.agency.require_contract()
    await hasher.check_rules(new_password, context=owner.context)
    temporary = owner.login.temporary_password_hash
    if temporary and await hasher.verify(temporary, new_password):
        raise PasswordRefused("Choose another password than the temporary one.")
    new_hash = await hasher.hash(new_password)
    async with work.transaction(actor_of(owner.agency, owner.login, origin)) as tx:
        login = await portal_logins.lock(tx.conn, owner.login.id)
        stored = await sessions.lock_password_token(tx.conn, reference, tx.now)
        if login is None or not login.active or login.reported_at is not None or stored is None:
            raise _EXPIRED[purpose]
        await _set(tx, login, new_hash, PortalPasswordChanged(username=login.username, how=_HOW[purpose]))
        await mails.password_changed(tx, login, owner.agency)
        if await sign_in_budgets.renew(tx, "portal", login.id):
            await tx.append(PortalLoginUnlocked(username=login.username), subject_of(login))
        return await begin_session(tx, owner.agency, login, signer=signer, origin=origin, with_cookie=with_cookie)


async def _owner_by_token(work: Work, reference: Reference, purpose: PasswordTokenPurpose) -> _Owner | None:
    async with work.pool.transaction(reference.agency_id) as conn:
        token = await sessions.lock_password_token(conn, reference, work.clock())
        if token is None or token.purpose != purpose:
            return None
        login = await portal_logins.by_id(conn, token.portal_login_id)
        return await _owner(conn, reference.agency_id, login) if login and login.active else None


async def _owner(conn: Connection, agency_id: UUID, login: PortalLogin) -> _Owner:
    agency = await agencies.by_id(conn, agency_id)
    return _Owner(agency, login, await clients.names(conn, login.client_id))


async def _set(
    tx: Transaction, login: PortalLogin, password_hash: str, event: PortalPasswordChanged, *, but: UUID | None = None
) -> None:
    """The new password, and the end of everything that the old one opened, but for one session."""
    await portal_logins.set_own_password(tx.conn, login.id, password_hash, tx.now)
    await sessions.void_password_tokens(tx.conn, login.id, tx.now)
    await tx.append(event, subject_of(login))
    ended = await sessions.end_of_login(tx.conn, login.id, "revoked", tx.now, but=but)
    await tx.append_all([_revoked(login) for _ in ended])
    # What an e-mail on its way carries is no longer good.
    await deliveries.end_open(tx, portal_login_id=login.id, client_id=login.client_id, state="superseded")


def _revoked(login: PortalLogin) -> tuple[Payload, Subject]:
    return access.ended_event("portal", login.username, "revoked", person_id=login.id, client_id=login.client_id)


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
    """Change one's own password; all other sessions end.

    The session goes on under its id with a new cookie, or new tokens: the old cookie and refresh token are no good
    any more, an access token lives on for its few minutes. Raises InvalidFields (field ``current_password``),
    PasswordRefused, NotSignedIn.
    """
    owner = await _owner_by_id(work, actor)
    current = owner.login.password_hash
    if not await hasher.verify(current, current_password):
        await _count_wrong(work, actor, owner)
        raise InvalidFields(FieldError("current_password", "This is not your current password."))
    if normalized(new_password) == normalized(current_password):
        raise PasswordRefused("Choose another password than the current one.")
    await hasher.check_rules(new_password, context=owner.context)
    new_hash = await hasher.hash(new_password)
    async with work.transaction(actor) as tx:
        login = await portal_logins.lock(tx.conn, owner.login.id)
        session = await sessions.by_id(tx.conn, "portal", actor.session_id) if actor.session_id else None
        if session is None or session.ended_at or not session.active or login is None:
            raise NotSignedIn
        if login.password_hash != current:
            raise InvalidFields(FieldError("current_password", "Your password was changed meanwhile."))
        changed = PortalPasswordChanged(username=login.username, how="own")
        await _set(tx, login, new_hash, changed, but=session.id)
        await mails.password_changed(tx, login, owner.agency)
        return await _go_on(tx, owner.agency, login, session.id, signer, with_cookie=with_cookie)


async def _count_wrong(work: Work, actor: Actor, owner: _Owner) -> None:
    """Whoever found an open session must not find out the password as well: it ends. Raises NotSignedIn."""
    if actor.session_id is None:
        raise NotSignedIn
    async with work.transaction(actor) as tx:
        wrong = await sessions.count_wrong_password(tx.conn, actor.session_id)
        if wrong < FAILURES:
            return
        if await sessions.end(tx.conn, actor.session_id, "revoked", tx.now):
            await tx.append(*_revoked(owner.login))
    raise NotSignedIn


async def _owner_by_id(work: Work, actor: Actor) -> _Owner:
    async with work.pool.transaction(actor.agency_id) as conn:
        login = await portal_logins.by_id(conn, actor.id) if actor.id else None
        if login is None:
            raise NotSignedIn
        return await _owner(conn, actor.agency_id, login)


async def _go_on(
    tx: Transaction, agency: Agency, login: PortalLogin, session_id: UUID, signer: Signer, *, with_cookie: bool
) -> SignedIn:
    await sessions.expire_refresh(tx.conn, session_id, tx.now)
    if with_cookie:
        cookie = SessionCookie.new(agency.id, session_id)
        await sessions.rotate_secret(tx.conn, session_id, cookie.digest)
        return SignedIn(agency, session_id, cookie, None)
    tokens = await access.first_tokens(tx, signer=signer, kind="portal", person_id=login.id, session_id=session_id)
    return SignedIn(agency, session_id, None, tokens)
