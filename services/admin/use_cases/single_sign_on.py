"""Staff sign in at their agency's identity provider, and come back as who they are."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Literal, NoReturn
from uuid import UUID

import structlog

from services.admin.openid.fetching import Unusable
from services.admin.openid.id_token import NotProven
from services.admin.openid.providers import Attempt, Identity, IdentityProviders, Registration
from services.admin.use_cases.sign_in import actor_of, begin_session
from shared.accounts import identity_providers, staff
from shared.accounts.access import Origin, SignedIn
from shared.accounts.agencies import Agency
from shared.accounts.identity_providers import IdentityProvider, OnTheWay
from shared.accounts.staff import StaffUser
from shared.db import Connection
from shared.errors import DomainError
from shared.events import Subject
from shared.events.single_sign_on_catalogue import StaffIdentityLinked
from shared.events.staff_catalogue import StaffSessionRefused
from shared.outbox import Transaction, Work
from shared.security.boxes import Boxes, CannotOpen
from shared.security.gate import Gate
from shared.security.tokens import Signer

log = structlog.get_logger("services.admin.single_sign_on")

RefusedBy = Literal[
    "inactive", "locked", "unknown_person", "other_identity", "provider_refused", "not_proven", "other_browser"
]


class NoSingleSignOn(DomainError):
    """This agency does not use single sign-on."""

    status = 404


class ProviderAway(DomainError):
    """The identity provider does not answer as it should. Please try again in a moment."""

    status = 503


class StartAgain(DomainError):
    """This sign-in took too long, was used already, or began in another browser. Please start again."""

    status = 403


class SignInCancelled(DomainError):
    """The identity provider did not sign you in."""

    status = 403


class SignInNotProven(DomainError):
    """What the identity provider said could not be confirmed. Please start again."""

    status = 403


class NoStaffUser(DomainError):
    """The identity provider knows you, but there is no staff user here for you. Please ask your agency's admin."""

    status = 403


@dataclass(frozen=True, slots=True)
class Offer:
    """How the staff of an agency may sign in: ``provider`` is the name on the button, None where there is none."""

    provider: str | None
    local_sign_in: bool


@dataclass(frozen=True, slots=True)
class Way:
    """The way of one browser to the provider and back. ``browser`` is the secret that it keeps in a cookie."""

    redirect_uri: str
    browser: str = field(repr=False)

    @property
    def browser_digest(self) -> bytes:
        """SHA-256 of the browser's secret."""
        return hashlib.sha256(self.browser.encode()).digest()

    def attempt(self, state: str) -> Attempt:
        """The sign-in of this state. Nonce and verifier exist nowhere but in what the browser keeps."""
        return Attempt(
            redirect_uri=self.redirect_uri,
            state=state,
            nonce=self._derived(b"nonce", state),
            verifier=self._derived(b"verifier", state),
        )

    def _derived(self, purpose: bytes, state: str) -> str:
        made = hmac.digest(self.browser.encode(), purpose + b" " + state.encode(), "sha256")
        # 43 characters, as RFC 7636 wants a verifier to have at least.
        return urlsafe_b64encode(made).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody came back with: a code or an error, and who the answer says that it is from."""

    state: str = field(repr=False)
    code: str | None = field(repr=False)
    iss: str | None


@dataclass(frozen=True, slots=True)
class Arrived:
    """A session that has just begun, and the page that the person wanted."""

    signed_in: SignedIn
    next_path: str


def new_browser() -> str:
    """A fresh secret for a browser to keep until it comes back."""
    return secrets.token_urlsafe(32)


def client_secret_owner(agency_id: UUID) -> bytes:
    """Whom the box with a client secret belongs to."""
    return b"single sign-on " + agency_id.bytes


async def offer(work: Work, *, agency: Agency) -> Offer:
    """How an agency's staff may sign in."""
    async with work.pool.transaction(agency.id) as conn:
        provider = await identity_providers.of_agency(conn)
    return Offer(provider.name, provider.local_sign_in) if provider else Offer(None, True)


async def begin(
    work: Work,
    gate: Gate,
    boxes: Boxes,
    providers: IdentityProviders,
    *,
    agency: Agency,
    way: Way,
    next_path: str,
    origin: Origin,
) -> str:
    """Send somebody to the provider; answers the address.

    Raises NoSingleSignOn, TooManyAttempts, ProviderAway.
    """
    async with work.pool.transaction(agency.id) as conn:
        provider = await identity_providers.of_agency(conn)
    if provider is None:
        raise NoSingleSignOn
    await gate.admit(origin.address)
    state = secrets.token_urlsafe(32)
    registration = _registration(boxes, agency, provider)
    try:
        address = await providers.address_for(registration, way.attempt(state))
    except Unusable as error:
        _away(provider, error)
    async with work.pool.transaction(agency.id) as conn:
        started = OnTheWay(way.browser_digest, next_path, work.clock())
        await identity_providers.begin(conn, agency.id, _digest(state), started)
    return address


async def finish(
    work: Work,
    gate: Gate,
    boxes: Boxes,
    providers: IdentityProviders,
    signer: Signer,
    *,
    agency: Agency,
    way: Way,
    answer: Answer,
    origin: Origin,
) -> Arrived:
    """Begin the session of somebody who comes back from the provider.

    Raises StartAgain, SignInCancelled, SignInNotProven, NoStaffUser, ProviderAway.
    """
    entrance = _Entrance(work, agency, origin)
    provider, started = await entrance.take(way, answer.state)
    if answer.code is None:
        await entrance.refuse("provider_refused")
        raise SignInCancelled
    registration = _registration(boxes, agency, provider)
    try:
        identity = await providers.identity(registration, way.attempt(answer.state), code=answer.code, iss=answer.iss)
    except Unusable as error:
        _away(provider, error)
    except NotProven as error:
        log.warning("single sign-on refused", agency=agency.slug, issuer=provider.issuer, reason=str(error))
        await entrance.refuse("not_proven")
        raise SignInNotProven from None
    signed_in = await entrance.admit(identity, provider, signer)
    await gate.passed(origin.address)
    if boxes.outdated(provider.sealed_secret):
        await entrance.reseal(boxes, provider, registration.secret)
    return Arrived(signed_in, started.next_path)


def _digest(state: str) -> bytes:
    return hashlib.sha256(state.encode()).digest()


def _registration(boxes: Boxes, agency: Agency, provider: IdentityProvider) -> Registration:
    try:
        secret = boxes.open(provider.sealed_secret, owner=client_secret_owner(agency.id)).decode()
    except CannotOpen:
        log.error("client secret cannot be opened", agency=agency.slug)
        raise ProviderAway from None
    return Registration(provider.issuer, provider.client_id, secret, provider.claim)


def _away(provider: IdentityProvider, error: Unusable) -> NoReturn:
    log.warning("identity provider not usable", issuer=provider.issuer, reason=str(error))
    raise ProviderAway from None


@dataclass(frozen=True, slots=True)
class _Entrance:
    """The transactions of one return from the provider."""

    work: Work
    agency: Agency
    origin: Origin

    async def take(self, way: Way, state: str) -> tuple[IdentityProvider, OnTheWay]:
        """The sign-in that the state belongs to, which is over with that. Raises StartAgain."""
        async with self.work.pool.transaction(self.agency.id) as conn:
            started = await identity_providers.take(conn, _digest(state))
            provider = await identity_providers.of_agency(conn)
        if started is None or provider is None or started.over(self.work.clock()):
            # Anybody can come with a state that never was: that is no event.
            raise StartAgain
        if not hmac.compare_digest(started.browser_digest, way.browser_digest):
            await self.refuse("other_browser")
            raise StartAgain
        if started.started_at < provider.connected_at:
            raise StartAgain
        return provider, started

    async def reseal(self, boxes: Boxes, provider: IdentityProvider, secret: str) -> None:
        """Keep the client secret in a box of the key that seals now, so that the older one can go."""
        box = boxes.seal(secret.encode(), owner=client_secret_owner(self.agency.id))
        async with self.work.pool.transaction(self.agency.id) as conn:
            await identity_providers.reseal(conn, self.agency.id, provider.sealed_secret, box)

    async def refuse(self, reason: RefusedBy) -> None:
        """The event of a sign-in of nobody in particular."""
        async with self.work.transaction(actor_of(self.agency, None, self.origin)) as tx:
            await tx.append(StaffSessionRefused(username=None, reason=reason, how="single_sign_on"), Subject())

    async def admit(self, identity: Identity, provider: IdentityProvider, signer: Signer) -> SignedIn:
        """The session of the staff user who this is. Raises NoStaffUser."""
        async with self.work.pool.transaction(self.agency.id) as conn:
            user = await _find(conn, identity, provider)
        async with self.work.transaction(actor_of(self.agency, user, self.origin)) as tx:
            current = await staff.lock(tx.conn, user.id) if user else None
            reason = await _reason_against(tx, current, identity)
            if current is not None and reason is None:
                return await begin_session(
                    tx,
                    self.agency,
                    current,
                    signer=signer,
                    origin=self.origin,
                    with_cookie=True,
                    how="single_sign_on",
                )
            refused = StaffSessionRefused(
                username=current.username if current else None,
                reason=reason or "unknown_person",
                how="single_sign_on",
            )
            await tx.append(refused, Subject(staff_user_id=current.id if current else None))
        # Not raised before: the refusal's event has to be committed.
        raise NoStaffUser


async def _find(conn: Connection, identity: Identity, provider: IdentityProvider) -> StaffUser | None:
    linked = await identity_providers.linked(conn, identity.issuer, identity.subject)
    if linked is None and identity.name is not None:
        if provider.claim == "preferred_username":
            return await staff.by_username(conn, identity.name)
        linked = await identity_providers.of_address(conn, identity.name)
    return await staff.by_id(conn, linked) if linked is not None else None


async def _reason_against(tx: Transaction, user: StaffUser | None, identity: Identity) -> RefusedBy | None:
    """Why the staff user, whom nobody else changes meanwhile, is not let in; ties the two together the first time."""
    if user is None:
        return "unknown_person"
    if not user.active:
        return "inactive"
    # They said that somebody else had changed the password: nobody gets in until an admin has spoken with them.
    if user.reported_at is not None:
        return "locked"
    linked = await identity_providers.linked(tx.conn, identity.issuer, identity.subject)
    if linked is None and await identity_providers.link(
        tx.conn, tx.agency_id, identity.issuer, identity.subject, user.id, tx.now
    ):
        event = StaffIdentityLinked(username=user.username, issuer=identity.issuer)
        await tx.append(event, Subject(staff_user_id=user.id))
        return None
    # Somebody else at the provider has this name now; who had it before is still who is known here.
    return None if linked == user.id else "other_identity"
