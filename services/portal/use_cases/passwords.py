"""The owners of portal logins choose and change their passwords."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from services.portal.use_cases.mails import Mails
from services.portal.use_cases.sign_in import actor_of, begin_session, subject_of
from shared.accounts import (
    access,
    agencies,
    clients,
    current_passwords,
    portal_logins,
    second_factors,
    second_steps,
    sessions,
    sign_in_budgets,
)
from shared.accounts.access import Origin, SignedIn
from shared.accounts.agencies import Agency
from shared.accounts.clients import ClientNames
from shared.accounts.factor_owners import of_login
from shared.accounts.portal_logins import PortalLogin
from shared.accounts.second_steps import SecondFactorRequired
from shared.accounts.sessions import PasswordTokenPurpose
from shared.actors import Actor
from shared.db import Connection
from shared.deliveries import store as deliveries
from shared.errors import DomainError, FieldError, InvalidFields, NotSignedIn
from shared.events import Payload, Subject
from shared.events.catalogue import PortalLoginUnlocked, PortalPasswordChanged
from shared.outbox import Transaction, Work
from shared.rights import Right, needs
from shared.security.password_rules import LEAST, LEAST_WITH_SECOND_FACTOR, PasswordRefused
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
    has_factor: bool

    @property
    def least(self) -> int:
        """How many characters the password must have."""
        return LEAST_WITH_SECOND_FACTOR if self.has_factor else LEAST

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
) -> SignedIn | SecondFactorRequired:
    """Set a password with a single-use token, end every session that there is and begin one.

    None begins while a second factor is to be shown: an e-mail does not stand in for it. The token stays good while
    passwords are refused. Raises PasswordChangeExpired or ResetExpired by ``purpose``, PasswordRefused, NotContracted.
    """
    reference = parse_reference(token)
    owner = await _owner_by_token(work, reference, purpose) if reference else None
    if reference is None or owner is None:
        raise _EXPIRED[purpose]
    owner.agency.require_contract()
    await hasher.check_rules(new_password, context=owner.context, least=owner.least)
    temporary = owner.login.temporary_password_hash
    if temporary and await hasher.verify(temporary, new_password):
        raise PasswordRefused("Choose another password than the temporary one.")
    new_hash = await hasher.hash(new_password)
    async with work.transaction(actor_of(owner.agency, owner.login, origin)) as tx:
        login = await portal_logins.lock(tx.conn, owner.login.id)
        stored = await sessions.lock_password_token(tx.conn, reference, tx.now)
        if login is None or not login.active or login.reported_at is not None or stored is None:
            raise _EXPIRED[purpose]
        how = "own" if purpose == "temporary" and login.temporary_password_hash is None else _HOW[purpose]
        await _set(tx, login, new_hash, PortalPasswordChanged(username=login.username, how=how))
        await mails.password_changed(tx, login, owner.agency)
        if await sign_in_budgets.renew(tx, "portal", login.id):
            await tx.append(PortalLoginUnlocked(username=login.username), subject_of(login))
        asked = await second_steps.asked_of(tx, owner.agency, of_login(login), origin)
        if asked is not None:
            return asked
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
    has_factor = bool(await second_factors.methods_of(conn, "portal", login.id))
    return _Owner(agency, login, await clients.names(conn, login.client_id), has_factor)


async def _set(
    tx: Transaction, login: PortalLogin, password_hash: str, event: PortalPasswordChanged, *, but: UUID | None = None
) -> None:
    """The new password, and the end of everything that the old one opened, but for one session."""
    await portal_logins.set_own_password(tx.conn, login.id, password_hash, tx.now)
    await sessions.void_password_tokens(tx.conn, login.id, tx.now)
    await second_factors.start_over(tx.conn, "portal", login.id, tx.now)
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
        await current_passwords.count_wrong(work, kind="portal", actor=actor)
        raise InvalidFields(FieldError("current_password", "This is not your current password."))
    if normalized(new_password) == normalized(current_password):
        raise PasswordRefused("Choose another password than the current one.")
    await hasher.check_rules(new_password, context=owner.context, least=owner.least)
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
        cookie, tokens = await access.go_on(
            tx, signer=signer, kind="portal", person_id=login.id, session_id=session.id, with_cookie=with_cookie
        )
        return SignedIn(owner.agency, session.id, cookie, tokens)


@needs(Right.CHANGE_OWN_PASSWORD)
async def least_of(work: Work, *, actor: Actor) -> int:
    """How many characters the actor's password must have. Raises NotSignedIn."""
    return (await _owner_by_id(work, actor)).least


async def least_by_token(work: Work, *, token: str) -> int:
    """The same for somebody who has shown a temporary password."""
    reference = parse_reference(token)
    owner = await _owner_by_token(work, reference, "temporary") if reference else None
    return owner.least if owner else LEAST


async def _owner_by_id(work: Work, actor: Actor) -> _Owner:
    async with work.pool.transaction(actor.agency_id) as conn:
        login = await portal_logins.by_id(conn, actor.id) if actor.id else None
        if login is None:
            raise NotSignedIn
        return await _owner(conn, actor.agency_id, login)
