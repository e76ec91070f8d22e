"""The second step of a sign-in: after the password, before a session begins.

The bearer of a half-done sign-in's token has shown the password and nothing else; it opens nothing but this step.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, replace

from shared.accounts import agencies, factor_owners, own_factors, second_factors, sign_in_budgets
from shared.accounts.access import Origin, SignedIn
from shared.accounts.agencies import Agency
from shared.accounts.factor_owners import FactorOwner, Factors
from shared.accounts.own_factors import AppSetUp
from shared.accounts.second_factors import HALF_DONE, Method
from shared.errors import DomainError
from shared.outbox import Transaction, Work
from shared.security.gate import Gate
from shared.security.tokens import Reference, new_reference, parse_reference
from shared.security.totp import MOST_WRONG, is_of_app, plain, step_of


class WrongCode(DomainError):
    """This code is not right. Wait for the next one in your app, or use a recovery code.

    Each code of an app is good once. A lock answers the same.
    """

    status = 401


class SecondFactorExpired(DomainError):
    """The time for the code is over, or too many codes were wrong. Sign in again.

    A right password gives ten minutes and five tries for the second factor.
    """

    status = 401


@dataclass(frozen=True, slots=True, repr=False)
class SecondFactorRequired:
    """A password was right: ``token`` is good for showing a second factor, for ``expires_in`` seconds.

    Without ``methods`` none is set up yet, and the token is good for setting one up. A passkey needs no token: it signs
    in by itself.
    """

    agency: Agency
    token: str
    methods: tuple[Method, ...]
    expires_in: int


@dataclass(frozen=True, slots=True, repr=False)
class Entered:
    """The session that a second factor opened, with what its owner is shown or given once.

    ``device`` is the value of the cookie by which the browser is remembered.
    """

    session: SignedIn
    recovery_codes: tuple[str, ...] = ()
    device: str | None = None


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A half-done sign-in with everybody and everything that it is about, locked."""

    reference: Reference
    agency: Agency
    owner: FactorOwner
    methods: tuple[Method, ...]


def device_digest(cookie: str) -> bytes:
    """What is stored of the cookie by which a browser is remembered."""
    return hashlib.sha256(cookie.encode("utf-8", "replace")).digest()


async def asked_of(tx: Transaction, agency: Agency, owner: FactorOwner, origin: Origin) -> SecondFactorRequired | None:
    """What somebody who gave the right password has to show besides; None when a session may begin."""
    required = owner.required(agency)
    methods = await second_factors.shown_by(tx.conn, owner.kind, owner.id, required=required)
    if not methods and not required:
        return None
    if methods and await second_factors.remembered(tx.conn, owner.kind, owner.id, origin.remembered, tx.now):
        return None
    reference = new_reference(tx.agency_id)
    await second_factors.insert_half(tx.conn, reference, owner.kind, owner.id, tx.now)
    return SecondFactorRequired(agency, reference.text, methods, int(HALF_DONE.total_seconds()))


async def methods_for(work: Work, factors: Factors, *, token: str) -> tuple[Method, ...]:
    """What can be shown to go on with a half-done sign-in; nothing when a factor is to be set up first.

    Raises SecondFactorExpired.
    """
    reference, owner = await _known(work, factors, token)
    async with work.pool.transaction(reference.agency_id) as conn:
        required = owner.required(await agencies.by_id(conn, reference.agency_id))
        return await second_factors.shown_by(conn, factors.kind, owner.id, required=required)


async def _known(work: Work, factors: Factors, token: str) -> tuple[Reference, FactorOwner]:
    reference = parse_reference(token)
    if reference is None:
        raise SecondFactorExpired
    async with work.pool.transaction(reference.agency_id) as conn:
        half = await second_factors.half(conn, reference, factors.kind, work.clock())
        owner = await factor_owners.by_id(conn, factors.kind, half.person_id) if half else None
    if owner is None:
        raise SecondFactorExpired
    return reference, owner


async def _waiting(tx: Transaction, owner: FactorOwner, reference: Reference) -> _Waiting:
    """Raises SecondFactorExpired, also for somebody who may not come in any more."""
    current = await factor_owners.lock(tx.conn, owner.kind, owner.id)
    half = await second_factors.lock_half(tx.conn, reference, owner.kind, tx.now)
    if current is None or half is None or not current.may_enter:
        raise SecondFactorExpired
    agency = await agencies.by_id(tx.conn, reference.agency_id)
    if owner.kind == "portal":
        agency.require_contract()
    required = current.required(agency)
    methods = await second_factors.shown_by(tx.conn, owner.kind, owner.id, required=required)
    return _Waiting(reference, agency, current, methods)


async def finish(
    work: Work,
    gate: Gate,
    factors: Factors,
    *,
    token: str,
    code: str,
    origin: Origin,
    with_cookie: bool,
    remember: bool = False,
) -> Entered:
    """Begin the session of a half-done sign-in, with a code of the app or a recovery code.

    Raises WrongCode, SecondFactorExpired, TooManyAttempts, NotContracted.
    """
    reference, owner = await _known(work, factors, token)
    async with work.pool.transaction(reference.agency_id) as conn:
        known = await sign_in_budgets.known(conn, owner.kind, owner.id, origin.device)
    async with gate.counting(origin.address, known=known):
        async with work.transaction(owner.actor(reference.agency_id, origin)) as tx:
            waiting = await _waiting(tx, owner, reference)
            budget = await sign_in_budgets.lock(tx, owner.kind, owner.id, origin.device)
            locked = budget.locked(tx.now)
            method = None if locked else await _proved_by(tx, factors, waiting, plain(code))
            if method is None:
                result: Entered | DomainError = await _refuse(tx, factors, waiting, origin, locked=locked)
            else:
                result = await _enter(tx, factors, waiting, origin, method, with_cookie=with_cookie, remember=remember)
        # Not raised before: the refusal's event has to be committed.
        if isinstance(result, DomainError):
            raise result
    return result


async def _proved_by(tx: Transaction, factors: Factors, waiting: _Waiting, code: str) -> Method | None:
    """The method whose code it is; the code is used up."""
    owner = waiting.owner
    if not waiting.methods:
        return None
    if not is_of_app(code):
        used = await second_factors.use_code(tx.conn, owner.kind, owner.id, code, tx.now)
        return "recovery_code" if used else None
    totp = await second_factors.lock_totp(tx.conn, owner.kind, owner.id)
    if totp.sealed_seed is None or totp.wrong_codes >= MOST_WRONG:
        return None
    seed = factors.boxes.open(totp.sealed_seed, owner=owner.id.bytes)
    step = step_of(seed.decode(), code, tx.now)
    if step is None or (totp.last_step is not None and step <= totp.last_step):
        return None
    outdated = factors.boxes.outdated(totp.sealed_seed)
    sealed = factors.boxes.seal(seed, owner=owner.id.bytes) if outdated else totp.sealed_seed
    await second_factors.use_step(tx.conn, owner.kind, owner.id, step=step, sealed=sealed)
    return "totp"


async def _refuse(tx: Transaction, factors: Factors, waiting: _Waiting, origin: Origin, *, locked: bool) -> DomainError:
    owner = waiting.owner
    await tx.append(*owner.refused(locked=locked))
    ended = await second_factors.count_half(tx.conn, waiting.reference, tx.now)
    if not locked:
        await second_factors.count_wrong(tx.conn, owner.kind, owner.id)
        # Counted as wrong passwords are, and by nothing that a right password takes back.
        budget = await sign_in_budgets.lock(tx, owner.kind, owner.id, origin.device)
        until = await sign_in_budgets.failed(tx, owner.kind, owner.id, budget)
        if until is not None:
            await tx.append(*owner.locked(until, known_device=budget.device is not None))
    if not ended:
        return WrongCode()
    await factors.warn(tx, waiting.agency, owner)
    return SecondFactorExpired()


async def _enter(
    tx: Transaction,
    factors: Factors,
    waiting: _Waiting,
    origin: Origin,
    method: Method,
    *,
    with_cookie: bool,
    remember: bool,
) -> Entered:
    if method == "recovery_code":
        await second_factors.forgive(tx.conn, waiting.owner.kind, waiting.owner.id)
        await own_factors.note(tx, factors, waiting.agency, waiting.owner, "recovery_code_used")
    entered = await _begin(tx, factors, waiting, origin, with_cookie=with_cookie)
    if not remember:
        return entered
    return replace(entered, device=await _remember(tx, waiting.owner, origin))


async def _begin(tx: Transaction, factors: Factors, waiting: _Waiting, origin: Origin, *, with_cookie: bool) -> Entered:
    owner = waiting.owner
    budget = await sign_in_budgets.lock(tx, owner.kind, owner.id, origin.device)
    await sign_in_budgets.passed(tx, owner.kind, owner.id, budget)
    await second_factors.end_half(tx.conn, waiting.reference, tx.now)
    session = await factors.begin(
        tx, waiting.agency, owner.id, signer=factors.signer, origin=origin, with_cookie=with_cookie
    )
    return Entered(session)


async def _remember(tx: Transaction, owner: FactorOwner, origin: Origin) -> str:
    cookie = secrets.token_urlsafe(32)
    await second_factors.remember(
        tx.conn,
        tx.agency_id,
        owner.kind,
        owner.id,
        device_id=tx.new_id(),
        digest=device_digest(cookie),
        before=origin.remembered,
        user_agent=origin.user_agent,
        now=tx.now,
    )
    await tx.append(*owner.changed("device_remembered"))
    return cookie


# Setting a factor up because the agency asks for one


async def begin_set_up(work: Work, factors: Factors, *, token: str, origin: Origin) -> AppSetUp:
    """A fresh shared secret for an app, for somebody who has no second factor yet. Raises SecondFactorExpired."""
    reference, owner = await _known(work, factors, token)
    async with work.transaction(owner.actor(reference.agency_id, origin)) as tx:
        waiting = await _waiting(tx, owner, reference)
        if waiting.methods:
            # Whoever has one shows it; the password alone must not put another one in its place.
            raise SecondFactorExpired
        return await own_factors.fresh(tx, factors, waiting.agency, waiting.owner, reference.digest)


async def pending_set_up(work: Work, factors: Factors, *, token: str, origin: Origin) -> AppSetUp:
    """The shared secret once more, after a wrong code. Raises SecondFactorExpired, SetUpExpired."""
    reference, owner = await _known(work, factors, token)
    async with work.transaction(owner.actor(reference.agency_id, origin)) as tx:
        waiting = await _waiting(tx, owner, reference)
        return await own_factors.pending(tx, factors, waiting.agency, waiting.owner, reference.digest)


async def finish_set_up(
    work: Work, factors: Factors, *, token: str, code: str, origin: Origin, with_cookie: bool
) -> Entered:
    """Show with a code that the app works, and begin the session; the recovery codes are answered once.

    Raises WrongCode, SetUpExpired, SecondFactorExpired, NotContracted.
    """
    reference, owner = await _known(work, factors, token)
    async with work.transaction(owner.actor(reference.agency_id, origin)) as tx:
        waiting = await _waiting(tx, owner, reference)
        if waiting.methods:
            raise SecondFactorExpired
        codes = await own_factors.confirm_app(tx, factors, waiting.agency, waiting.owner, reference.digest, code)
        if codes is None:
            ended = await second_factors.count_half(tx.conn, reference, tx.now)
            result: Entered | DomainError = SecondFactorExpired() if ended else WrongCode()
        else:
            entered = await _begin(tx, factors, waiting, origin, with_cookie=with_cookie)
            result = replace(entered, recovery_codes=tuple(codes))
    if isinstance(result, DomainError):
        raise result
    return result
