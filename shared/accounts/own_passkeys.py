"""Somebody's own passkeys: which there are, another one, another name, one less.

Adding and removing ask for the current password, and the session goes on with another cookie, or other tokens (OWASP
ASVS 5.0, 7.2.4).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import structlog

from shared.accounts import (
    access,
    agencies,
    current_passwords,
    own_sessions,
    passkey_owners,
    passkeys,
    second_factors,
    sessions,
)
from shared.accounts.access import SessionCookie, Tokens
from shared.accounts.passkey_owners import Owner
from shared.accounts.passkey_sign_in import Question
from shared.accounts.passkeys import MOST, Challenge, Passkey
from shared.accounts.sessions import Session, SessionKind
from shared.actors import Actor
from shared.db import Connection
from shared.errors import DomainError, FieldError, InvalidFields, NotFound, NotSignedIn
from shared.events import Payload
from shared.events.passkey_catalogue import (
    PortalPasskeyAdded,
    PortalPasskeyRemoved,
    PortalPasskeyRenamed,
    StaffPasskeyAdded,
    StaffPasskeyRemoved,
    StaffPasskeyRenamed,
)
from shared.outbox import Transaction, Work
from shared.rights import Right, needs
from shared.security.passkeys import NewPasskey, PasskeyWrong, RelyingParty, creation_options, verified_new
from shared.security.passwords import PasswordHasher
from shared.security.tokens import Signer

log = structlog.get_logger(__name__)

What = Literal["added", "removed"]
Tell = Callable[[Transaction, Owner, What], Awaitable[None]]
"""Tells the owner what was done, in the same transaction."""

_TOO_LATE = FieldError("handle", "The time to add a passkey is over. Start again.")
_NOT_MADE = FieldError("credential", "This passkey could not be added. Try again, or with another device.")
_THERE = FieldError("credential", "This passkey is here already.")


class TooManyPasskeys(DomainError):
    """You have ten passkeys. Remove one that you do not use, then add another one."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """A session that goes on, with another cookie for the pages, or other tokens for the API."""

    cookie: SessionCookie | None
    tokens: Tokens | None


@dataclass(frozen=True, slots=True)
class Added:
    """A new passkey, and what its owner goes on with."""

    passkey: Passkey
    renewed: Renewed


@needs(Right.MANAGE_OWN_PASSKEYS)
async def of_actor(work: Work, *, actor: Actor, kind: SessionKind) -> list[Passkey]:
    """The actor's passkeys, in the order in which they were added. Raises NotSignedIn."""
    async with work.pool.transaction(actor.agency_id) as conn:
        return await passkeys.of_person(conn, kind, _id(actor))


@needs(Right.MANAGE_OWN_PASSKEYS)
async def read(work: Work, *, actor: Actor, kind: SessionKind, passkey_id: UUID) -> Passkey:
    """One of the actor's passkeys. Raises NotFound."""
    async with work.pool.transaction(actor.agency_id) as conn:
        return await _own(conn, actor, kind, passkey_id)


async def _own(conn: Connection, actor: Actor, kind: SessionKind, passkey_id: UUID) -> Passkey:
    found = await passkeys.lock(conn, kind, _id(actor), passkey_id)
    if found is None:
        raise NotFound
    return found


def _id(actor: Actor) -> UUID:
    if actor.id is None:
        raise NotSignedIn
    return actor.id


@needs(Right.MANAGE_OWN_PASSKEYS)
async def begin_adding(
    work: Work, hasher: PasswordHasher, rp: RelyingParty, *, actor: Actor, kind: SessionKind, password: str
) -> Question:
    """What a new passkey is made from, for five minutes and this session.

    Raises InvalidFields (field ``current_password``), TooManyPasskeys, NotSignedIn, Busy.
    """
    await current_passwords.prove(work, hasher, kind=kind, actor=actor, password=password)
    async with work.pool.transaction(actor.agency_id) as conn:
        existing = await passkeys.of_person(conn, kind, _id(actor))
        if len(existing) >= MOST:
            raise TooManyPasskeys
        agency = await agencies.by_id(conn, actor.agency_id)
        handle, challenge = await passkeys.new_challenge(
            conn, agency.id, kind, "register", work.clock(), person_id=actor.id, session_id=actor.session_id
        )
    options = creation_options(
        rp,
        challenge=challenge,
        person_id=_id(actor),
        username=actor.username,
        agency_name=agency.name,
        existing=[(p.credential_id, p.transports) for p in existing],
    )
    return Question(handle, options)


@needs(Right.MANAGE_OWN_PASSKEYS)
async def add(
    work: Work,
    signer: Signer,
    rp: RelyingParty,
    *,
    actor: Actor,
    kind: SessionKind,
    handle: str,
    name: str,
    credential: Mapping[str, Any],
    tell: Tell,
    with_cookie: bool,
) -> Added:
    """Keep the passkey that an authenticator made; other sessions stay.

    Raises InvalidFields (fields ``handle``, ``credential``), TooManyPasskeys, NotSignedIn.
    """
    async with work.transaction(actor) as tx:
        owner, session = await _signed_in(tx, kind)
        challenge = await passkeys.use_challenge(tx, kind, "register", handle)
        made = _made(rp, actor, challenge, credential)
        if isinstance(made, NewPasskey):
            if len(await passkeys.of_person(tx.conn, kind, owner.id)) >= MOST:
                raise TooManyPasskeys
            passkey = await passkeys.insert(tx, kind, owner.id, name, made)
            if passkey is not None:
                await tx.append(_added(owner, name), owner.subject)
                await tell(tx, owner, "added")
                return Added(passkey, await _renew(tx, signer, kind, session, with_cookie=with_cookie))
            made = _THERE
    # Not raised before: what was signed once is used up.
    raise InvalidFields(made)


def _made(
    rp: RelyingParty, actor: Actor, challenge: Challenge | None, credential: Mapping[str, Any]
) -> NewPasskey | FieldError:
    if challenge is None or (challenge.person_id, challenge.session_id) != (actor.id, actor.session_id):
        return _TOO_LATE
    try:
        return verified_new(rp, credential, challenge=challenge.challenge)
    except PasskeyWrong as error:
        log.info("passkey not added", reason=str(error)[:200])
        return _NOT_MADE


async def _signed_in(tx: Transaction, kind: SessionKind) -> tuple[Owner, Session]:
    """Whoever acts and their session, both as they are now, the person held until the transaction ends."""
    owner = await passkey_owners.lock(tx.conn, kind, _id(tx.actor))
    session = await sessions.by_id(tx.conn, kind, tx.actor.session_id) if tx.actor.session_id else None
    if owner is None or owner.barred or session is None or session.ended_at or not session.active:
        raise NotSignedIn
    return owner, session


async def _renew(tx: Transaction, signer: Signer, kind: SessionKind, session: Session, *, with_cookie: bool) -> Renewed:
    person_id = session.person_id
    return Renewed(
        *await access.go_on(
            tx, signer=signer, kind=kind, person_id=person_id, session_id=session.id, with_cookie=with_cookie
        )
    )


@needs(Right.MANAGE_OWN_PASSKEYS)
async def rename(work: Work, *, actor: Actor, kind: SessionKind, passkey_id: UUID, name: str) -> Passkey:
    """Call a passkey something else. Raises NotFound, NotSignedIn."""
    async with work.transaction(actor) as tx:
        owner, _ = await _signed_in(tx, kind)
        before = await _own(tx.conn, actor, kind, passkey_id)
        if name != before.name:
            await passkeys.rename(tx.conn, before.id, name)
            await tx.append(_renamed(owner, before.name, name), owner.subject)
        return await _own(tx.conn, actor, kind, passkey_id)


@needs(Right.MANAGE_OWN_PASSKEYS)
async def remove(
    work: Work,
    hasher: PasswordHasher,
    signer: Signer,
    *,
    actor: Actor,
    kind: SessionKind,
    passkey_id: UUID,
    password: str,
    tell: Tell,
    with_cookie: bool,
) -> Renewed:
    """A passkey opens nothing any more; all other sessions end, since it may have opened them.

    Raises InvalidFields (field ``current_password``), NotFound, NotSignedIn, Busy.
    """
    await current_passwords.prove(work, hasher, kind=kind, actor=actor, password=password)
    async with work.transaction(actor) as tx:
        owner, session = await _signed_in(tx, kind)
        passkey = await _own(tx.conn, actor, kind, passkey_id)
        await passkeys.remove(tx.conn, passkey.id)
        await tx.append(_removed(owner, passkey.name), owner.subject)
        await own_sessions.end_all_others(tx, kind)
        await second_factors.start_over(tx.conn, kind, owner.id, tx.now)
        await tell(tx, owner, "removed")
        return await _renew(tx, signer, kind, session, with_cookie=with_cookie)


def _added(owner: Owner, name: str) -> Payload:
    event = StaffPasskeyAdded if owner.kind == "staff" else PortalPasskeyAdded
    return event(username=owner.username, passkey=name)


def _renamed(owner: Owner, old: str, name: str) -> Payload:
    event = StaffPasskeyRenamed if owner.kind == "staff" else PortalPasskeyRenamed
    return event(username=owner.username, passkey=name, old=old)


def _removed(owner: Owner, name: str) -> Payload:
    event = StaffPasskeyRemoved if owner.kind == "staff" else PortalPasskeyRemoved
    return event(username=owner.username, passkey=name)
