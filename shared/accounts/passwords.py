"""People choose and change their passwords: staff users and the owners of portal logins, by the same rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Generic
from uuid import UUID

from shared.accounts import (
    access,
    agencies,
    current_passwords,
    factor_owners,
    second_factors,
    second_steps,
    sessions,
    sign_in_budgets,
)
from shared.accounts.access import Origin, SignedIn
from shared.accounts.agencies import Agency
from shared.accounts.owners import Owners, P, Person
from shared.accounts.password_mails import PasswordMails
from shared.accounts.second_steps import SecondFactorRequired
from shared.accounts.sessions import PasswordTokenPurpose, SessionKind
from shared.actors import Actor
from shared.db import Connection
from shared.deliveries import marks
from shared.deliveries import store as deliveries
from shared.errors import DomainError, FieldError, InvalidFields, NotSignedIn
from shared.events import Payload
from shared.events.catalogue import Chosen
from shared.outbox import Transaction, Work
from shared.security.password_rules import LEAST, LEAST_WITH_SECOND_FACTOR, PasswordRefused, length_of
from shared.security.passwords import PasswordHasher, normalized
from shared.security.session_limits import PASSWORD_CHANGE
from shared.security.tokens import Reference, Signer, new_reference, parse_reference


class TemporaryPasswordExpired(DomainError):
    """Your temporary password has expired. Ask your agency for a new one.

    Only somebody who gives the right temporary password and is active is told so.
    """

    status = 401


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


@dataclass(frozen=True, slots=True, repr=False)
class PasswordChangeRequired:
    """A temporary password, or the link in place of one, was right; or one's own that is too short to be used alone.

    ``token`` is good for choosing one's own, once, for ``expires_in`` seconds.
    """

    agency: Agency
    token: str
    expires_in: int
    too_short: bool = False


_EXPIRED: Final[Mapping[PasswordTokenPurpose, type[DomainError]]] = {
    "temporary": PasswordChangeExpired,
    "reset": ResetExpired,
}


@dataclass(frozen=True, slots=True)
class _Owner(Generic[P]):
    """Whose password it is, with everything that a password must not hold."""

    agency: Agency
    person: P
    words: tuple[str, ...]
    has_factor: bool

    @property
    def least(self) -> int:
        """How many characters the password must have."""
        return LEAST_WITH_SECOND_FACTOR if self.has_factor else LEAST

    @property
    def context(self) -> tuple[str, ...]:
        mailbox = (self.person.email or "").partition("@")[0]
        return (self.person.username, mailbox, *self.words, self.agency.name, self.agency.slug)


@dataclass(frozen=True, slots=True)
class Chooser:
    """Somebody who chooses a password, and how many characters it must have. Unknown ones have no username."""

    username: str
    least: int


async def require_change(
    tx: Transaction, agency: Agency, *, kind: SessionKind, person_id: UUID
) -> PasswordChangeRequired:
    """What it takes to choose a password of one's own, for somebody who gave the right temporary one, or a link."""
    reference = new_reference(agency.id)
    await sessions.insert_password_token(
        tx.conn, reference, kind, person_id, "temporary", now=tx.now, expires_at=tx.now + PASSWORD_CHANGE
    )
    return PasswordChangeRequired(agency, reference.text, int(PASSWORD_CHANGE.total_seconds()))


async def require_longer(
    tx: Transaction, agency: Agency, password: str, *, kind: SessionKind, person_id: UUID
) -> PasswordChangeRequired | None:
    """The same for somebody whose own password was chosen beside a second factor, which is gone; None for others."""
    if length_of(password) >= LEAST or await second_factors.methods_of(tx.conn, kind, person_id):
        return None
    return replace(await require_change(tx, agency, kind=kind, person_id=person_id), too_short=True)


async def choose(
    work: Work,
    hasher: PasswordHasher,
    signer: Signer,
    owners: Owners[P],
    mails: PasswordMails[P],
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
    owner = await _owner_by_token(work, owners, reference, purpose) if reference else None
    if reference is None or owner is None:
        raise _EXPIRED[purpose]
    if owners.contracted_only:
        owner.agency.require_contract()
    await hasher.check_rules(new_password, context=owner.context, least=owner.least)
    temporary = owner.person.temporary_password_hash
    if temporary and await hasher.verify(temporary, new_password):
        raise PasswordRefused("Choose another password than the temporary one.")
    new_hash = await hasher.hash(new_password)
    async with work.transaction(owners.actor_of(owner.agency, owner.person, origin)) as tx:
        person = await owners.lock(tx.conn, owner.person.id)
        stored = await sessions.lock_password_token(tx.conn, reference, owners.kind, tx.now)
        if person is None or not person.active or person.reported_at is not None or stored is None:
            raise _EXPIRED[purpose]
        how = _how(person, purpose)
        await _set(tx, owners, person, new_hash, owners.changed(username=person.username, how=how))
        await _mark_email(tx, mails, person, how)
        await mails.password_changed(tx, person, owner.agency)
        if await sign_in_budgets.renew(tx, owners.kind, person.id):
            await tx.append(owners.unlocked(username=person.username), owners.subject_of(person))
        factor_owner = await factor_owners.by_id(tx.conn, owners.kind, person.id)
        asked = await second_steps.asked_of(tx, owner.agency, factor_owner, origin) if factor_owner else None
        if asked is not None:
            return asked
        return await owners.begin_session(
            tx, owner.agency, person, signer=signer, origin=origin, with_cookie=with_cookie
        )


async def _mark_email(tx: Transaction, mails: PasswordMails[P], person: P, how: Chosen) -> None:
    """Note on the e-mail that led here what became of it."""
    if how != "own":
        brought_by = (mails.reset_mail,) if how == "reset" else mails.credentials
        await marks.mark(tx, person.id, brought_by, "password_chosen")


def _how(person: Person, purpose: PasswordTokenPurpose) -> Chosen:
    if purpose == "reset":
        return "reset"
    if person.temporary_password_hash is not None:
        return "first"
    # An own one was too short; somebody without any was sent a link.
    return "own" if person.password_hash is not None else "link"


async def _owner_by_token(
    work: Work, owners: Owners[P], reference: Reference, purpose: PasswordTokenPurpose
) -> _Owner[P] | None:
    async with work.pool.transaction(reference.agency_id) as conn:
        token = await sessions.lock_password_token(conn, reference, owners.kind, work.clock())
        if token is None or token.purpose != purpose:
            return None
        person = await owners.by_id(conn, token.person_id)
        return await _owner(conn, owners, reference.agency_id, person) if person and person.active else None


async def _owner(conn: Connection, owners: Owners[P], agency_id: UUID, person: P) -> _Owner[P]:
    agency = await agencies.by_id(conn, agency_id)
    has_factor = bool(await second_factors.methods_of(conn, owners.kind, person.id))
    return _Owner(agency, person, await owners.words_of(conn, person), has_factor)


async def _set(
    tx: Transaction,
    owners: Owners[P],
    person: P,
    password_hash: str,
    event: Payload,
    *,
    but: UUID | None = None,
) -> None:
    """The new password, and the end of everything that the old one opened, but for one session."""
    subject = owners.subject_of(person)
    await owners.set_own_password(tx.conn, person.id, password_hash, tx.now)
    await sessions.void_password_tokens(tx.conn, person.id, tx.now)
    await second_factors.start_over(tx.conn, owners.kind, person.id, tx.now)
    await tx.append(event, subject)
    await access.end_all(tx, owners.kind, person.username, subject, but=but)
    # What an e-mail on its way carries is no longer good.
    await deliveries.end_open(tx, subject, state="superseded")


async def change(
    work: Work,
    hasher: PasswordHasher,
    signer: Signer,
    owners: Owners[P],
    mails: PasswordMails[P],
    *,
    actor: Actor,
    current_password: str,
    new_password: str,
    with_cookie: bool,
) -> SignedIn:
    """Change one's own password; all other sessions end. The caller has asked for the actor's right.

    The session goes on under its id with a new cookie, or new tokens: the old cookie and refresh token are no good
    any more, an access token lives on for its few minutes. Raises InvalidFields (field ``current_password``),
    PasswordRefused, NotSignedIn.
    """
    owner = await _owner_by_id(work, owners, actor)
    current = owner.person.password_hash
    if not await hasher.verify(current, current_password):
        await current_passwords.count_wrong(work, kind=owners.kind, actor=actor)
        raise InvalidFields(FieldError("current_password", "This is not your current password."))
    if normalized(new_password) == normalized(current_password):
        raise PasswordRefused("Choose another password than the current one.")
    await hasher.check_rules(new_password, context=owner.context, least=owner.least)
    new_hash = await hasher.hash(new_password)
    async with work.transaction(actor) as tx:
        person = await owners.lock(tx.conn, owner.person.id)
        session = await sessions.by_id(tx.conn, owners.kind, actor.session_id) if actor.session_id else None
        if session is None or session.ended_at or not session.active or person is None:
            raise NotSignedIn
        if person.password_hash != current:
            raise InvalidFields(FieldError("current_password", "Your password was changed meanwhile."))
        changed = owners.changed(username=person.username, how="own")
        await _set(tx, owners, person, new_hash, changed, but=session.id)
        await mails.password_changed(tx, person, owner.agency)
        cookie, tokens = await access.go_on(
            tx, signer=signer, kind=owners.kind, person_id=person.id, session_id=session.id, with_cookie=with_cookie
        )
        return SignedIn(owner.agency, session.id, cookie, tokens)


async def least_of(work: Work, owners: Owners[P], *, actor: Actor) -> int:
    """How many characters the actor's password must have. Raises NotSignedIn."""
    return (await _owner_by_id(work, owners, actor)).least


async def chooser(work: Work, owners: Owners[P], *, token: str) -> Chooser:
    """Who has shown a temporary password, for the page on which they choose their own."""
    reference = parse_reference(token)
    owner = await _owner_by_token(work, owners, reference, "temporary") if reference else None
    return Chooser(owner.person.username, owner.least) if owner else Chooser("", LEAST)


async def _owner_by_id(work: Work, owners: Owners[P], actor: Actor) -> _Owner[P]:
    async with work.pool.transaction(actor.agency_id) as conn:
        person = await owners.by_id(conn, actor.id) if actor.id else None
        if person is None:
            raise NotSignedIn
        return await _owner(conn, owners, actor.agency_id, person)
