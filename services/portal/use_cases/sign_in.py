"""The owners of portal logins sign in."""

from __future__ import annotations

from typing import Protocol

from services.portal.use_cases import new_devices
from services.portal.use_cases.new_devices import TellsOfDevices
from shared.accounts import access, agencies, portal_logins, second_steps, sessions, sign_in_budgets
from shared.accounts.access import Origin, SignedIn
from shared.accounts.agencies import Agency
from shared.accounts.factor_owners import of_login
from shared.accounts.owners import usable_hash
from shared.accounts.password_mails import Attack
from shared.accounts.passwords import (
    PasswordChangeRequired,
    TemporaryPasswordExpired,
    require_change,
    require_longer,
)
from shared.accounts.portal_logins import PortalLogin
from shared.accounts.second_steps import SecondFactorRequired
from shared.accounts.sign_in_budgets import FAILURES, Budget
from shared.actors import Actor
from shared.deliveries import marks
from shared.deliveries.store import MailName
from shared.errors import BadCredentials, DomainError
from shared.events import Subject
from shared.events.catalogue import PortalLoginLocked, PortalSessionRefused, PortalSessionStarted, Proof
from shared.outbox import Transaction, Work
from shared.security.gate import Gate, at_the_gate
from shared.security.tokens import NOBODY, Signer


class SignInMails(TellsOfDevices, Protocol):
    """The e-mails that a sign-in may lead to, and those that led to it."""

    @property
    def credentials(self) -> tuple[MailName, ...]:
        """Those that bring a temporary password, or a link in place of one."""

    async def refused(self, tx: Transaction, person: PortalLogin, agency: Agency, what: Attack) -> None:
        """Somebody tries to get in."""


@at_the_gate
async def sign_in(
    work: Work,
    gate: Gate,
    signer: Signer,
    mails: SignInMails,
    *,
    slug: str,
    username: str,
    password: str,
    origin: Origin,
    with_cookie: bool,
) -> SignedIn | PasswordChangeRequired | SecondFactorRequired:
    """Begin a session; with a temporary password none begins, and the answer is what it takes to choose one's own.

    None begins either while a second factor is to be shown, or set up.

    Raises NotContracted, TemporaryPasswordExpired, TooManyAttempts, Busy, and BadCredentials, the same for whatever
    else is wrong and after the same work.
    """
    async with work.pool.transaction(None) as conn:
        agency = await agencies.by_slug(conn, slug)
    login: PortalLogin | None = None
    known = False
    if agency is not None:
        agency.require_contract()
        async with work.pool.transaction(agency.id) as conn:
            login = await portal_logins.by_username(conn, username)
            known = await sign_in_budgets.known(conn, "portal", login.id if login else NOBODY, origin.device)
    # Outside any transaction: a hash may wait for its turn and must not hold a connection meanwhile.
    proved = await gate.proves(usable_hash(login), password, address=origin.address, known=known)
    if agency is None:
        raise BadCredentials
    async with work.transaction(actor_of(agency, login, origin)) as tx:
        # Somebody may have made the login inactive, or its password another one, while the hash was being checked.
        current = await portal_logins.lock(tx.conn, login.id if login else NOBODY)
        proved = proved and usable_hash(current) == usable_hash(login)
        result = await _decide(
            tx, mails, agency, current, password, proved=proved, signer=signer, origin=origin, with_cookie=with_cookie
        )
    if isinstance(result, DomainError):
        raise result
    if not isinstance(result, PasswordChangeRequired) and login is not None:
        await _renew_hash(work, gate, agency, login, password)
    return result


async def _renew_hash(work: Work, gate: Gate, agency: Agency, login: PortalLogin, password: str) -> None:
    if login.password_hash is None:
        return
    renewed = await gate.renewed(login.password_hash, password)
    if renewed is not None:
        async with work.pool.transaction(agency.id) as conn:
            await portal_logins.renew_hash(conn, login.id, login.password_hash, renewed)


async def _decide(
    tx: Transaction,
    mails: SignInMails,
    agency: Agency,
    login: PortalLogin | None,
    password: str,
    *,
    proved: bool,
    signer: Signer,
    origin: Origin,
    with_cookie: bool,
) -> SignedIn | PasswordChangeRequired | SecondFactorRequired | DomainError:
    """What a password comes to. Refusals are answered, not raised: their event has to be committed."""
    if login is None:
        await tx.append(PortalSessionRefused(username=None, reason="unknown_username"), subject_of(login))
        return BadCredentials()
    budget = await sign_in_budgets.lock(tx, "portal", login.id, origin.device)
    if budget.locked(tx.now):
        await tx.append(PortalSessionRefused(username=login.username, reason="locked"), subject_of(login))
        return BadCredentials()
    if not proved:
        await _count(tx, mails, agency, login, budget)
        return BadCredentials()
    state = login.password_state(tx.now)
    if state == "own":
        return await _admit(tx, mails, agency, login, password, signer=signer, origin=origin, with_cookie=with_cookie)
    await sign_in_budgets.passed(tx, "portal", login.id, budget)
    if state == "temporary_expired":
        refused = PortalSessionRefused(username=login.username, reason="temporary_password_expired")
        await tx.append(refused, subject_of(login))
        return TemporaryPasswordExpired()
    await marks.mark(tx, login.id, mails.credentials, "opened")
    return await require_change(tx, agency, kind="portal", person_id=login.id)


async def _admit(
    tx: Transaction,
    mails: SignInMails,
    agency: Agency,
    login: PortalLogin,
    password: str,
    *,
    signer: Signer,
    origin: Origin,
    with_cookie: bool,
) -> SignedIn | PasswordChangeRequired | SecondFactorRequired:
    """What else is asked of somebody who has shown their own password."""
    longer = await require_longer(tx, agency, password, kind="portal", person_id=login.id)
    if longer is not None:
        return longer
    asked = await second_steps.asked_of(tx, agency, of_login(login), origin)
    if asked is not None:
        # Wrong codes must not be forgiven by a right password, so what went wrong still counts.
        return asked
    budget = await sign_in_budgets.lock(tx, "portal", login.id, origin.device)
    await sign_in_budgets.passed(tx, "portal", login.id, budget)
    await new_devices.tell(tx, mails, agency, login, origin)
    return await begin_session(tx, agency, login, signer=signer, origin=origin, with_cookie=with_cookie)


async def _count(tx: Transaction, mails: SignInMails, agency: Agency, login: PortalLogin, budget: Budget) -> None:
    await tx.append(_refusal(tx, login), subject_of(login))
    if usable_hash(login) is None:
        # There was nothing to guess.
        return
    until = await sign_in_budgets.failed(tx, "portal", login.id, budget)
    if until is not None:
        # Whoever tries to get in may have asked for an e-mail as well.
        await sessions.void_resets(tx.conn, login.id, tx.now)
        locked = PortalLoginLocked(
            username=login.username, failures=FAILURES, until=until, known_device=budget.device is not None
        )
        await tx.append(locked, subject_of(login))
        await mails.refused(tx, login, agency, "wrong_passwords")


async def begin_session(
    tx: Transaction,
    agency: Agency,
    login: PortalLogin,
    *,
    signer: Signer,
    origin: Origin,
    with_cookie: bool,
    how: Proof = "password",
) -> SignedIn:
    """Open a session for somebody who has just proved who they are, with its event."""
    session_id, cookie = await access.open_session(
        tx, kind="portal", person_id=login.id, origin=origin, with_cookie=with_cookie
    )
    tokens = None
    if not with_cookie:
        tokens = await access.first_tokens(tx, signer=signer, kind="portal", person_id=login.id, session_id=session_id)
    if login.email_unconfirmed_since is not None:
        await portal_logins.confirm_email(tx.conn, login.id)
    await tx.append(PortalSessionStarted(username=login.username, how=how), subject_of(login))
    return SignedIn(agency, session_id, cookie, tokens)


def _refusal(tx: Transaction, login: PortalLogin) -> PortalSessionRefused:
    if not login.active:
        return PortalSessionRefused(username=login.username, reason="inactive")
    if login.reported_at is not None:
        return PortalSessionRefused(username=login.username, reason="locked")
    if login.password_state(tx.now) in ("none", "link_sent", "link_expired"):
        return PortalSessionRefused(username=login.username, reason="no_password")
    return PortalSessionRefused(username=login.username, reason="wrong_password")


def subject_of(login: PortalLogin | None) -> Subject:
    """Whom an event of this login is about."""
    return Subject(client_id=login.client_id, portal_login_id=login.id) if login else Subject()


def actor_of(agency: Agency, login: PortalLogin | None, origin: Origin) -> Actor:
    """The owner of a login at the door, not signed in; nobody in particular when the login is unknown."""
    return Actor(
        agency_id=agency.id,
        kind="portal_login",
        id=login.id if login else None,
        username=login.username if login else "",
        name=login.username if login else "",
        address=origin.address,
        request_id=origin.request_id,
    )
