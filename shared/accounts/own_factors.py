"""What people do about their own second factor: set up an app, make recovery codes, remove it, forget devices."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.accounts import access, agencies, current_passwords, factor_owners, own_sessions, second_factors, sessions
from shared.accounts.access import SignedIn
from shared.accounts.agencies import Agency
from shared.accounts.factor_owners import FactorOwner, Factors
from shared.accounts.second_factors import SET_UP_WITHIN, Device, Method
from shared.actors import Actor
from shared.errors import DomainError, FieldError, InvalidFields, NotFound, NotSignedIn
from shared.events.factor_catalogue import FactorChange
from shared.outbox import Transaction, Work
from shared.rights import Right, needs
from shared.security.password_rules import LEAST, length_of
from shared.security.totp import app_address, is_of_app, new_recovery_codes, new_seed, plain, step_of

_TOLD: Final[frozenset[FactorChange]] = frozenset(
    {"app_set_up", "app_removed", "recovery_codes_made", "recovery_code_used"}
)
"""What the owner is told by e-mail: everything that changes who gets in, or that uses up a way in."""

NOT_RIGHT: Final = "This code is not right. Wait for the next one in your app."
"""Of a first code: there are no recovery codes yet that could stand in for it."""


class SetUpExpired(DomainError):
    """The time to set up the app is over. Begin again.

    A shared secret waits fifteen minutes for its first code, in the session that asked for it.
    """


class NoSecondFactor(DomainError):
    """Set up an authenticator app first."""


class SecondFactorNeeded(DomainError):
    """Your agency asks for a second step at sign-in. You can set up another app, but not remove the last one."""


class PasswordTooShort(DomainError):
    """Your password is too short to be used alone. Change it to one of at least 15 characters first."""

    field = "current_password"


@dataclass(frozen=True, slots=True, repr=False)
class AppSetUp:
    """What an app needs. ``address`` is what stands in the picture; ``expires_in`` is in seconds."""

    seed: str
    address: str
    expires_in: int


@dataclass(frozen=True, slots=True, repr=False)
class FactorsChanged:
    """The session as it goes on, with a new cookie or new tokens, and recovery codes to be shown once."""

    session: SignedIn
    recovery_codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Overview:
    """What somebody has set up. ``required``: the agency asks for a second factor."""

    methods: tuple[Method, ...]
    totp_since: datetime | None
    recovery_codes_left: int
    required: bool
    devices: tuple[Device, ...]


async def note(tx: Transaction, factors: Factors, agency: Agency, owner: FactorOwner, what: FactorChange) -> None:
    """The event of a change, and the e-mail about it where there is one."""
    await tx.append(*owner.changed(what))
    if what in _TOLD:
        await factors.tell(tx, agency, owner, what)


# Parts of a set-up, by whoever may do one: somebody signed in, or at the second step of a sign-in


async def fresh(tx: Transaction, factors: Factors, agency: Agency, owner: FactorOwner, whose: bytes) -> AppSetUp:
    """A fresh shared secret that waits for its first code from ``whose`` session or sign-in."""
    seed = new_seed()
    sealed = factors.boxes.seal(seed.encode(), owner=owner.id.bytes)
    await second_factors.begin(tx.conn, tx.agency_id, owner.kind, owner.id, sealed=sealed, now=tx.now, whose=whose)
    return _set_up(seed, agency, owner)


async def pending(tx: Transaction, factors: Factors, agency: Agency, owner: FactorOwner, whose: bytes) -> AppSetUp:
    """The one that waits. Raises SetUpExpired."""
    return _set_up(await _pending_seed(tx, factors, owner, whose), agency, owner)


def _set_up(seed: str, agency: Agency, owner: FactorOwner) -> AppSetUp:
    address = app_address(seed, username=owner.username, issuer=agency.name)
    return AppSetUp(seed, address, int(SET_UP_WITHIN.total_seconds()))


async def _pending_seed(tx: Transaction, factors: Factors, owner: FactorOwner, whose: bytes) -> str:
    totp = await second_factors.lock_totp(tx.conn, owner.kind, owner.id)
    sealed = totp.pending(tx.now, whose)
    if sealed is None:
        raise SetUpExpired
    return factors.boxes.open(sealed, owner=owner.id.bytes).decode()


async def confirm_app(
    tx: Transaction, factors: Factors, agency: Agency, owner: FactorOwner, whose: bytes, code: str
) -> list[str] | None:
    """Take the app that waits, with fresh recovery codes; None for a wrong code. Raises SetUpExpired."""
    seed, typed = await _pending_seed(tx, factors, owner, whose), plain(code)
    step = step_of(seed, typed, tx.now) if is_of_app(typed) else None
    if step is None:
        return None
    await second_factors.confirm(tx.conn, owner.kind, owner.id, step=step, now=tx.now)
    codes = await _new_codes(tx, owner)
    await second_factors.start_over(tx.conn, owner.kind, owner.id, tx.now)
    await note(tx, factors, agency, owner, "app_set_up")
    return codes


async def _new_codes(tx: Transaction, owner: FactorOwner) -> list[str]:
    codes = new_recovery_codes()
    await second_factors.replace_codes(tx.conn, tx.agency_id, owner.kind, owner.id, codes, tx.now)
    return codes


# For somebody who is signed in


@needs(Right.MANAGE_OWN_SECOND_FACTOR)
async def overview(work: Work, factors: Factors, *, actor: Actor, device: bytes | None) -> Overview:
    """What the actor has set up; ``device`` is the digest of the cookie by which this browser is remembered."""
    async with work.transaction(actor) as tx:
        agency, owner = await _present(tx, factors, actor, lock=False)
        totp_since, left = await second_factors.overview(tx.conn, owner.kind, owner.id)
        return Overview(
            methods=await second_factors.methods_of(tx.conn, owner.kind, owner.id),
            totp_since=totp_since,
            recovery_codes_left=left,
            required=owner.required(agency),
            devices=tuple(await second_factors.devices(tx.conn, owner.kind, owner.id, tx.now, current=device)),
        )


async def _present(tx: Transaction, factors: Factors, actor: Actor, *, lock: bool = True) -> tuple[Agency, FactorOwner]:
    """The actor with the agency, while the session is good. Raises NotSignedIn."""
    if actor.id is None or actor.session_id is None:
        raise NotSignedIn
    found = factor_owners.lock if lock else factor_owners.by_id
    owner = await found(tx.conn, factors.kind, actor.id)
    session = await sessions.by_id(tx.conn, factors.kind, actor.session_id)
    if owner is None or session is None or session.ended_at or not session.active:
        raise NotSignedIn
    return await agencies.by_id(tx.conn, actor.agency_id), owner


def _whose(actor: Actor) -> bytes:
    if actor.session_id is None:
        raise NotSignedIn
    return actor.session_id.bytes


@needs(Right.MANAGE_OWN_SECOND_FACTOR)
async def begin(work: Work, factors: Factors, *, actor: Actor, current_password: str) -> AppSetUp:
    """A fresh shared secret for an app; what was set up before stays until the new one is confirmed.

    Raises InvalidFields (field ``current_password``), NotSignedIn.
    """
    await current_passwords.prove(work, factors.hasher, kind=factors.kind, actor=actor, password=current_password)
    async with work.transaction(actor) as tx:
        agency, owner = await _present(tx, factors, actor)
        return await fresh(tx, factors, agency, owner, _whose(actor))


@needs(Right.MANAGE_OWN_SECOND_FACTOR)
async def waiting(work: Work, factors: Factors, *, actor: Actor) -> AppSetUp:
    """The shared secret once more, after a wrong code. Raises SetUpExpired, NotSignedIn."""
    async with work.transaction(actor) as tx:
        agency, owner = await _present(tx, factors, actor)
        return await pending(tx, factors, agency, owner, _whose(actor))


@needs(Right.MANAGE_OWN_SECOND_FACTOR)
async def confirm(work: Work, factors: Factors, *, actor: Actor, code: str, with_cookie: bool) -> FactorsChanged:
    """Show with a code that the app works: it is asked for from now on. Fresh recovery codes are answered once.

    Raises InvalidFields (field ``code``), SetUpExpired, NotSignedIn.
    """
    async with work.transaction(actor) as tx:
        agency, owner = await _present(tx, factors, actor)
        codes = await confirm_app(tx, factors, agency, owner, _whose(actor), code)
        if codes is None:
            raise InvalidFields(FieldError("code", NOT_RIGHT))
        return await _go_on(tx, factors, agency, owner, codes, with_cookie=with_cookie)


@needs(Right.MANAGE_OWN_SECOND_FACTOR)
async def new_codes(
    work: Work, factors: Factors, *, actor: Actor, current_password: str, with_cookie: bool
) -> FactorsChanged:
    """Ten fresh recovery codes, answered once; those before are no good any more.

    Raises InvalidFields (field ``current_password``), NoSecondFactor, NotSignedIn.
    """
    await current_passwords.prove(work, factors.hasher, kind=factors.kind, actor=actor, password=current_password)
    async with work.transaction(actor) as tx:
        agency, owner = await _present(tx, factors, actor)
        if not await second_factors.methods_of(tx.conn, owner.kind, owner.id):
            raise NoSecondFactor
        codes = await _new_codes(tx, owner)
        await second_factors.start_over(tx.conn, owner.kind, owner.id, tx.now)
        await note(tx, factors, agency, owner, "recovery_codes_made")
        return await _go_on(tx, factors, agency, owner, codes, with_cookie=with_cookie)


@needs(Right.MANAGE_OWN_SECOND_FACTOR)
async def remove(
    work: Work, factors: Factors, *, actor: Actor, current_password: str, with_cookie: bool
) -> FactorsChanged:
    """The app is no longer asked for, and the recovery codes are gone.

    Raises InvalidFields (field ``current_password``), NoSecondFactor, SecondFactorNeeded, PasswordTooShort and
    NotSignedIn.
    """
    await current_passwords.prove(work, factors.hasher, kind=factors.kind, actor=actor, password=current_password)
    async with work.transaction(actor) as tx:
        agency, owner = await _present(tx, factors, actor)
        if not await second_factors.methods_of(tx.conn, owner.kind, owner.id):
            raise NoSecondFactor
        if owner.required(agency):
            raise SecondFactorNeeded
        if length_of(current_password) < LEAST:
            raise PasswordTooShort
        await second_factors.remove(tx.conn, owner.kind, owner.id)
        await second_factors.start_over(tx.conn, owner.kind, owner.id, tx.now)
        await note(tx, factors, agency, owner, "app_removed")
        return await _go_on(tx, factors, agency, owner, [], with_cookie=with_cookie)


@needs(Right.MANAGE_OWN_SECOND_FACTOR)
async def forget(work: Work, factors: Factors, *, actor: Actor, device_id: UUID | None = None) -> None:
    """One remembered browser is asked for the second factor again, or all are. Raises NotFound, NotSignedIn."""
    async with work.transaction(actor) as tx:
        _, owner = await _present(tx, factors, actor)
        if await second_factors.forget(tx.conn, owner.kind, owner.id, tx.now, device_id=device_id):
            await tx.append(*owner.changed("devices_forgotten"))
        elif device_id is not None:
            raise NotFound


async def _go_on(
    tx: Transaction, factors: Factors, agency: Agency, owner: FactorOwner, codes: list[str], *, with_cookie: bool
) -> FactorsChanged:
    """The session goes on under its id with a new cookie, or new tokens; all others end (OWASP ASVS 5.0, 7.2.4)."""
    await own_sessions.end_all_others(tx, owner.kind)
    session_id = tx.actor.session_id
    if session_id is None:
        raise NotSignedIn
    cookie, tokens = await access.go_on(
        tx,
        signer=factors.signer,
        kind=owner.kind,
        person_id=owner.id,
        session_id=session_id,
        with_cookie=with_cookie,
    )
    return FactorsChanged(SignedIn(agency, session_id, cookie, tokens), tuple(codes))
