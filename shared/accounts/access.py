"""Who is at the door: sessions are opened, recognised, continued and ended here, for staff and for portal logins.

Staff and portal sessions never mix: each has its kind, its cookie and its audience.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from uuid import UUID

import structlog

from shared.accounts import identity_providers, sessions, sign_in_budgets
from shared.accounts.agencies import Agency
from shared.accounts.sessions import EndReason, Overdue, Session, SessionKind
from shared.actors import Actor, system
from shared.db import Pool
from shared.errors import NotSignedIn
from shared.events import ActorKind, Payload, Subject
from shared.events.catalogue import PortalSessionEnded
from shared.events.staff_catalogue import StaffSessionEnded
from shared.outbox import Transaction, Work
from shared.security.session_limits import ACCESS_TOKEN, REFRESH_GRACE, SEEN_EVERY
from shared.security.tokens import CLIENT, STAFF, Audience, Reference, Signer, new_reference, parse_reference

AUDIENCES: dict[SessionKind, Audience] = {"staff": STAFF, "portal": CLIENT}
_ACTOR_KINDS: dict[SessionKind, ActorKind] = {"staff": "staff", "portal": "portal_login"}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from, as far as it is known.

    ``device`` is the digest of a browser's own cookie, ``remembered`` that of the cookie by which a browser need not
    show a second factor.
    """

    address: str | None = None
    user_agent: str = ""
    request_id: str | None = None
    device: bytes | None = None
    remembered: bytes | None = None


@dataclass(frozen=True, slots=True)
class SessionCookie:
    """What a browser keeps: the agency and the session in clear, and a secret of which only a digest is stored."""

    agency_id: UUID
    session_id: UUID
    text: str

    @property
    def digest(self) -> bytes:
        """SHA-256 of the whole value."""
        return hashlib.sha256(self.text.encode()).digest()

    @classmethod
    def new(cls, agency_id: UUID, session_id: UUID) -> SessionCookie:
        """A fresh cookie of a session."""
        return cls(agency_id, session_id, f"{agency_id.hex}.{session_id.hex}.{secrets.token_urlsafe(32)}")

    @classmethod
    def parse(cls, text: str) -> SessionCookie | None:
        """Read a cookie back; None when it does not have the form of one."""
        parts = text.split(".")
        if len(parts) != 3 or len(text) > 200 or not text.isascii():
            return None
        try:
            return cls(UUID(hex=parts[0]), UUID(hex=parts[1]), text)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Presented:
    """What a request brought to show which session it belongs to: a verified token's claims, or a cookie."""

    kind: SessionKind
    agency_id: UUID
    session_id: UUID
    cookie: SessionCookie | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the API gives for a session. ``expires_in`` is in seconds."""

    access_token: str
    expires_in: int
    refresh_token: str


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that begins, or goes on after a change: with a cookie for the pages, or tokens for the API."""

    agency: Agency
    session_id: UUID
    cookie: SessionCookie | None
    tokens: Tokens | None


async def open_session(
    tx: Transaction,
    *,
    kind: SessionKind,
    person_id: UUID,
    origin: Origin,
    with_cookie: bool,
    single_sign_on: bool = False,
) -> tuple[UUID, SessionCookie | None]:
    """Begin a session for somebody who has just proved who they are. The caller appends the event.

    Raises LocalSignInOff for staff of an agency that lets them in with single sign-on only.
    """
    if kind == "staff" and not single_sign_on:
        # Here for all ways in: passwords, codes from e-mails, and whatever else does not ask the provider.
        await identity_providers.require_local(tx.conn)
    session_id = tx.new_id()
    await sign_in_budgets.know(tx, kind, person_id, origin.device)
    cookie = SessionCookie.new(tx.agency_id, session_id) if with_cookie else None
    await sessions.start(
        tx.conn,
        session_id=session_id,
        agency_id=tx.agency_id,
        kind=kind,
        person_id=person_id,
        secret_digest=cookie.digest if cookie else None,
        user_agent=origin.user_agent,
        address=origin.address,
        now=tx.now,
        single_sign_on=single_sign_on,
    )
    return session_id, cookie


async def first_tokens(
    tx: Transaction, *, signer: Signer, kind: SessionKind, person_id: UUID, session_id: UUID
) -> Tokens:
    """The tokens of a session that has just begun."""
    refresh = new_reference(tx.agency_id)
    await sessions.insert_refresh(tx.conn, refresh, session_id, kind, tx.now)
    return _tokens(signer, kind, person_id, session_id, tx.agency_id, refresh.text)


async def go_on(
    tx: Transaction, *, signer: Signer, kind: SessionKind, person_id: UUID, session_id: UUID, with_cookie: bool
) -> tuple[SessionCookie | None, Tokens | None]:
    """The session goes on under its id with another cookie, or other tokens.

    The old cookie and refresh token are no good any more; an access token lives on for its few minutes.
    """
    await sessions.expire_refresh(tx.conn, session_id, tx.now)
    if not with_cookie:
        return None, await first_tokens(tx, signer=signer, kind=kind, person_id=person_id, session_id=session_id)
    cookie = SessionCookie.new(tx.agency_id, session_id)
    await sessions.rotate_secret(tx.conn, session_id, cookie.digest)
    return cookie, None


def _tokens(
    signer: Signer, kind: SessionKind, person_id: UUID, session_id: UUID, agency_id: UUID, refresh_token: str
) -> Tokens:
    access = signer.mint(
        AUDIENCES[kind], lifetime=ACCESS_TOKEN, subject=person_id, session_id=session_id, agency_id=agency_id
    )
    return Tokens(access, int(ACCESS_TOKEN.total_seconds()), refresh_token)


async def recognise(work: Work, presented: Presented, origin: Origin) -> tuple[Actor, Session]:
    """The person behind a request. Raises NotSignedIn; a session that is overdue ends right here."""
    now = work.clock()
    async with work.pool.transaction(presented.agency_id) as conn:
        session = await sessions.by_id(conn, presented.kind, presented.session_id)
        if session is None or session.ended_at is not None or not session.active or not _proved(session, presented):
            raise NotSignedIn
        overdue = session.overdue(now)
        if overdue is None and now - session.last_seen_at >= SEEN_EVERY:
            await sessions.seen(conn, session.id, now)
    if overdue is not None:
        await end(work, presented.agency_id, presented.kind, session, overdue, actor=None)
        raise NotSignedIn
    # Whose requests were refused is found by it, in the process's log (OWASP ASVS 5.0, 16.3.2).
    structlog.contextvars.bind_contextvars(session_id=str(session.id))
    return _actor(presented, session, origin), session


def _proved(session: Session, presented: Presented) -> bool:
    if presented.cookie is None:
        return True
    return session.secret_digest is not None and hmac.compare_digest(session.secret_digest, presented.cookie.digest)


def _actor(presented: Presented, session: Session, origin: Origin) -> Actor:
    return Actor(
        agency_id=presented.agency_id,
        kind=_ACTOR_KINDS[presented.kind],
        id=session.person_id,
        username=session.username,
        name=session.name,
        role=session.role,
        session_id=session.id,
        address=origin.address,
        request_id=origin.request_id,
    )


async def refresh(work: Work, *, signer: Signer, kind: SessionKind, refresh_token: str, origin: Origin) -> Tokens:
    """Exchange a refresh token. Used twice within the grace it gives the same successor; later the family ends.

    Raises NotSignedIn.
    """
    reference = parse_reference(refresh_token)
    if reference is None:
        raise NotSignedIn
    stolen: Session | None = None
    async with work.transaction(system(reference.agency_id, "refresh")) as tx:
        token = await sessions.lock_refresh(tx.conn, reference, kind)
        if token is None or token.expires_at <= tx.now:
            raise NotSignedIn
        session = await sessions.by_id(tx.conn, kind, token.session_id)
        if session is None or session.ended_at or not session.active or session.overdue(tx.now):
            raise NotSignedIn
        successor = signer.successor(reference)
        if token.used_at is None:
            await sessions.use_refresh(tx.conn, token, tx.now)
            await sessions.insert_refresh(tx.conn, successor, session.id, kind, tx.now)
            await sessions.seen(tx.conn, session.id, tx.now)
        elif tx.now - token.used_at > REFRESH_GRACE:
            stolen = session
        else:
            successor = await _given_before(tx, signer, reference)
    if stolen is not None:
        await end(work, reference.agency_id, kind, stolen, "revoked", actor=None)
        raise NotSignedIn
    return _tokens(signer, kind, session.person_id, session.id, reference.agency_id, successor.text)


async def _given_before(tx: Transaction, signer: Signer, reference: Reference) -> Reference:
    """What was given in exchange a moment ago, perhaps by another replica with another of the service's keys."""
    candidates = {candidate.digest: candidate for candidate in signer.successors(reference)}
    given = await sessions.stored_refresh(tx.conn, list(candidates))
    if given is None:
        raise NotSignedIn
    return candidates[given]


async def end(
    work: Work, agency_id: UUID, kind: SessionKind, session: Session, reason: EndReason, *, actor: Actor | None
) -> None:
    """End a session with its event; nothing happens when it had ended already. No actor: the system ends it."""
    async with work.transaction(actor or system(agency_id, "sessions")) as tx:
        if await sessions.end(tx.conn, session.id, reason, tx.now):
            client_id, person_id = session.client_id, session.person_id
            await tx.append(*ended_event(kind, session.username, reason, person_id=person_id, client_id=client_id))


async def end_all(
    tx: Transaction, kind: SessionKind, username: str, subject: Subject, *, but: UUID | None = None
) -> int:
    """End all open sessions of a person, whom ``subject`` names, but for one; with their events. Answers how many."""
    person_id = subject.staff_user_id or subject.portal_login_id
    if person_id is None:
        raise ValueError("a session belongs to a staff user or to a portal login")
    ended = await sessions.end_all(tx.conn, kind, person_id, "revoked", tx.now, but=but)
    await tx.append_all([(session_ended(kind, username, "revoked"), subject) for _ in ended])
    return len(ended)


def ended_event(
    kind: SessionKind, username: str, reason: EndReason, *, person_id: UUID, client_id: UUID | None
) -> tuple[Payload, Subject]:
    """The event of a session's end, with whom it is about."""
    if kind == "staff":
        return session_ended(kind, username, reason), Subject(staff_user_id=person_id)
    return session_ended(kind, username, reason), Subject(client_id=client_id, portal_login_id=person_id)


def session_ended(kind: SessionKind, username: str, reason: EndReason) -> Payload:
    """The event of a session's end."""
    ended = StaffSessionEnded if kind == "staff" else PortalSessionEnded
    return ended(username=username, reason=reason)


async def end_overdue(sweep_pool: Pool, work: Work, kind: SessionKind, *, limit: int = 200) -> int:
    """End the sessions of all agencies that nobody ended; answers how many.

    ``sweep_pool`` belongs to the role that may look across agencies; replicas share the rows by skipping locked ones.
    """
    async with sweep_pool.transaction(None) as conn:
        found = await sessions.overdue(conn, kind, work.clock(), limit)
    for item in found:
        await _end_one_overdue(work, kind, item)
    return len(found)


async def _end_one_overdue(work: Work, kind: SessionKind, item: Overdue) -> None:
    reason: EndReason = "expired" if item.past_limit else "idle"
    person_id = item.staff_user_id or item.portal_login_id
    if person_id is None:
        return
    async with work.transaction(system(item.agency_id, "session sweep")) as tx:
        if await sessions.end(tx.conn, item.id, reason, tx.now):
            await tx.append(*ended_event(kind, item.username, reason, person_id=person_id, client_id=item.client_id))
