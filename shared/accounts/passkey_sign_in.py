"""Signing in with a passkey and nothing else, for staff and for the owners of portal logins.

The same words answer whatever is wrong, and nobody is named before a passkey has proved who it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

import structlog

from shared.accounts import agencies, passkey_owners, passkeys, sign_in_budgets
from shared.accounts.access import Origin
from shared.accounts.agencies import Agency
from shared.accounts.passkey_owners import Owner
from shared.accounts.passkeys import Challenge, Passkey
from shared.accounts.sessions import SessionKind
from shared.errors import BadCredentials
from shared.events import Payload, Subject
from shared.events.catalogue import PortalSessionRefused
from shared.events.staff_catalogue import StaffSessionRefused
from shared.outbox import Transaction, Work
from shared.security.gate import Gate, at_the_gate
from shared.security.passkeys import PasskeyWrong, RelyingParty, Use, claimed_id, request_options, verified_use
from shared.security.tokens import NOBODY

log = structlog.get_logger(__name__)

T = TypeVar("T")
Begin = Callable[[Transaction, Agency, Owner], Awaitable[T]]
"""Opens the session of somebody who has proved who they are, with its event."""
Refusal = Literal["inactive", "locked", "unknown_passkey", "wrong_passkey", "copied_passkey"]

_LONGEST_REASON: Final = 200


@dataclass(frozen=True, slots=True, repr=False)
class Question:
    """What to hand to ``navigator.credentials``, and the handle that has to come back with its answer."""

    handle: str
    options: Mapping[str, Any]


@at_the_gate
async def ask(work: Work, gate: Gate, rp: RelyingParty, *, kind: SessionKind, slug: str, origin: Origin) -> Question:
    """Begin a sign-in with a passkey. Raises BadCredentials, NotContracted, TooManyAttempts."""
    agency = await _agency(work, kind, slug)
    known = False
    if agency is not None:
        async with work.pool.transaction(agency.id) as conn:
            known = await sign_in_budgets.known_to_anybody(conn, kind, origin.device)
    await gate.enter(origin.address, known=known)
    if agency is None:
        raise BadCredentials
    async with work.pool.transaction(agency.id) as conn:
        handle, challenge = await passkeys.new_challenge(conn, agency.id, kind, "sign_in", work.clock())
    return Question(handle, request_options(rp, challenge=challenge))


@at_the_gate
async def sign_in(
    work: Work,
    gate: Gate,
    rp: RelyingParty,
    *,
    kind: SessionKind,
    slug: str,
    handle: str,
    credential: Mapping[str, Any],
    origin: Origin,
    begin: Begin[T],
) -> T:
    """Answer what ``begin`` does, for the owner of the passkey.

    Raises TooManyAttempts, NotContracted, and BadCredentials, the same for whatever else is wrong.
    """
    agency = await _agency(work, kind, slug)
    claimed, known = claimed_id(credential), False
    owner: Owner | None = None
    if agency is not None:
        async with work.pool.transaction(agency.id) as conn:
            known = await sign_in_budgets.known_to_anybody(conn, kind, origin.device)
            passkey = await passkeys.by_credential(conn, kind, claimed) if claimed else None
            owner = await passkey_owners.by_id(conn, kind, passkey.person_id) if passkey else None
    await gate.enter(origin.address, known=known)
    if agency is None:
        raise BadCredentials
    async with work.transaction(passkey_owners.at_the_door(agency, kind, owner, origin)) as tx:
        # Somebody may have changed the person, or removed the passkey, meanwhile.
        owner = await passkey_owners.lock(tx.conn, kind, owner.id if owner else NOBODY)
        admitted = await _admitted(tx, rp, kind, owner, claimed, handle, credential, origin)
        result = await begin(tx, agency, owner) if admitted and owner else None
    # Not raised before: the refusal's event has to be committed.
    if result is None:
        raise BadCredentials
    await gate.entered(origin.address, known=known)
    return result


async def _agency(work: Work, kind: SessionKind, slug: str) -> Agency | None:
    async with work.pool.transaction(None) as conn:
        agency = await agencies.by_slug(conn, slug)
    if agency is not None and kind == "portal":
        agency.require_contract()
    return agency


async def _admitted(
    tx: Transaction,
    rp: RelyingParty,
    kind: SessionKind,
    owner: Owner | None,
    claimed: bytes | None,
    handle: str,
    credential: Mapping[str, Any],
    origin: Origin,
) -> bool:
    """Whether the passkey lets its owner in; a refusal leaves its event, and the challenge is used up either way."""
    challenge = await passkeys.use_challenge(tx, kind, "sign_in", handle)
    passkey = await passkeys.lock_by_credential(tx.conn, kind, claimed) if claimed and owner else None
    if owner is None or passkey is None or passkey.person_id != owner.id:
        await tx.append(_refused(kind, None, "unknown_passkey"), Subject())
        return False
    refusal: Refusal | None = owner.barred
    if refusal is None and (await sign_in_budgets.lock(tx, kind, owner.id, origin.device)).locked(tx.now):
        refusal = "locked"
    if refusal is None:
        refusal = await _judge(tx, rp, passkey, challenge, credential)
    if refusal is not None:
        await tx.append(_refused(kind, owner.username, refusal), owner.subject)
    return refusal is None


async def _judge(
    tx: Transaction, rp: RelyingParty, passkey: Passkey, challenge: Challenge | None, credential: Mapping[str, Any]
) -> Refusal | None:
    use = _use(rp, passkey, challenge, credential)
    if use is None:
        return "wrong_passkey"
    if not use.counts_on_from(passkey.sign_count):
        return "copied_passkey"
    await passkeys.used(tx.conn, passkey.id, use.sign_count, use.backed_up, tx.now)
    return None


def _use(rp: RelyingParty, passkey: Passkey, challenge: Challenge | None, credential: Mapping[str, Any]) -> Use | None:
    if challenge is None:
        return None
    try:
        return verified_use(
            rp,
            credential,
            challenge=challenge.challenge,
            public_key=passkey.public_key,
            person_id=passkey.person_id,
            backup_eligible=passkey.backup_eligible,
        )
    except PasskeyWrong as error:
        # An operator who gave a wrong PUBLIC_URL finds it here: every passkey is refused then.
        log.info("passkey refused", reason=str(error)[:_LONGEST_REASON])
        return None


def _refused(kind: SessionKind, username: str | None, reason: Refusal) -> Payload:
    if kind == "staff":
        return StaffSessionRefused(username=username, reason=reason, how="passkey")
    return PortalSessionRefused(username=username, reason=reason)
