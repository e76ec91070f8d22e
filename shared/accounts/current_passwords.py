"""The current password, asked of somebody who is signed in before they change what lets them in."""

from __future__ import annotations

from shared.accounts import access, factor_owners, sessions
from shared.accounts.sessions import SessionKind
from shared.accounts.sign_in_budgets import FAILURES
from shared.actors import Actor
from shared.errors import FieldError, InvalidFields, NotSignedIn
from shared.outbox import Work
from shared.security.passwords import PasswordHasher


async def prove(work: Work, hasher: PasswordHasher, *, kind: SessionKind, actor: Actor, password: str) -> None:
    """Raises InvalidFields (field ``current_password``) unless it is the actor's password, and NotSignedIn."""
    async with work.pool.transaction(actor.agency_id) as conn:
        owner = await factor_owners.by_id(conn, kind, actor.id) if actor.id else None
    if owner is None:
        raise NotSignedIn
    if not await hasher.verify(owner.password_hash, password):
        await count_wrong(work, kind=kind, actor=actor)
        raise InvalidFields(FieldError("current_password", "This is not your current password."))


async def count_wrong(work: Work, *, kind: SessionKind, actor: Actor) -> None:
    """Whoever found an open session must not find out the password as well: it ends. Raises NotSignedIn."""
    if actor.session_id is None or actor.id is None:
        raise NotSignedIn
    async with work.transaction(actor) as tx:
        wrong = await sessions.count_wrong_password(tx.conn, actor.session_id)
        if wrong < FAILURES:
            return
        session = await sessions.by_id(tx.conn, kind, actor.session_id)
        if session is not None and await sessions.end(tx.conn, actor.session_id, "revoked", tx.now):
            ended = access.ended_event(
                kind, session.username, "revoked", person_id=actor.id, client_id=session.client_id
            )
            await tx.append(*ended)
    raise NotSignedIn
