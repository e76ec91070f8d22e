"""Staff add, change and reset the portal logins of their agency's clients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from uuid import UUID

from services.admin.use_cases import email_changes, login_notices
from services.admin.use_cases.credentials import Credentials, lost_with
from shared.accounts import access, agencies, clients, portal_logins, second_factors, sessions, sign_in_budgets
from shared.accounts.agencies import Agency
from shared.accounts.clients import Client
from shared.accounts.field_blocks import CURRENT_RESIDENCE, RESIDENCE_EMAIL
from shared.accounts.portal_logins import PortalLogin
from shared.actors import Actor
from shared.deliveries import store as deliveries
from shared.errors import Changed, DomainError, FieldError, InvalidFields, NotFound
from shared.events import Change, Subject
from shared.events.catalogue import LANGUAGE_LABEL, PortalLoginCreated, PortalLoginUnlocked, PortalLoginUpdated, yes_no
from shared.letters.languages import LANGUAGES
from shared.outbox import Transaction, Work
from shared.rights import Right, needs


class LoginInactive(DomainError):
    """This portal login is inactive. Make it active first: then its owner gets an e-mail."""

    field = "active"


class PasswordChosen(DomainError):
    """The owner has chosen a password already. If it is lost, use Edit and Reset Password."""


class PortalRefused(DomainError):
    """This client refused a portal login. Confirm that you want to add one all the same."""

    field = "confirm_refused"


@dataclass(frozen=True, slots=True)
class NewPortalLogin:
    """What the Portal Login window asks for. ``email`` is None when it comes from the Current Residence block."""

    username: str
    email: str | None
    representative: bool = False
    active: bool = True
    reset_password: bool = True
    confirm_refused: bool = False
    # Of the e-mails; None is the agency's own.
    language: str | None = None


@dataclass(frozen=True, slots=True)
class PortalLoginChange:
    """What is to be changed; None stays as it is. The language ``""`` is the agency's own."""

    email: str | None = None
    representative: bool | None = None
    active: bool | None = None
    reset_password: bool = False
    language: str | None = None


@needs(Right.MANAGE_PORTAL_LOGINS)
async def create(
    work: Work, credentials: Credentials, *, actor: Actor, client_id: UUID, new: NewPortalLogin
) -> PortalLogin:
    """Add a portal login; with Reset Password and active its owner is sent a temporary password.

    Raises NotFound, NotContracted, PortalRefused, UsernameTaken, EmailComesBack, InvalidFields.
    """
    password = await credentials.make() if new.reset_password and new.active else None
    async with work.transaction(actor) as tx:
        agency = await agencies.by_id(tx.conn, actor.agency_id)
        agency.require_contract()
        # Locked, so that a refusal that is being recorded at this moment counts.
        client = await clients.lock(tx.conn, client_id)
        if client is None:
            raise NotFound
        if client.portal_refused and not new.confirm_refused:
            raise PortalRefused
        login = _drafted(tx, client, new)
        if password is not None:
            login = credentials.given_to(login, password, agency, tx)
        await portal_logins.insert(tx.conn, actor.agency_id, login)
        await tx.append(
            PortalLoginCreated(
                username=login.username,
                email=login.email,
                representative=login.representative,
                active=login.active,
                reset_password=new.reset_password,
                language=LANGUAGES[login.language] if login.language else "",
            ),
            Subject(client_id=client.id, portal_login_id=login.id),
        )
        if password is not None:
            await credentials.mail(tx, login, password, agency)
    return login


def _drafted(tx: Transaction, client: Client, new: NewPortalLogin) -> PortalLogin:
    email = new.email or client.dynamic_fields.get(CURRENT_RESIDENCE, {}).get(RESIDENCE_EMAIL)
    if not email:
        raise InvalidFields(
            FieldError("populate_email_from_current_residence", "The Current Residence block has no e-mail address.")
        )
    return PortalLogin(
        id=tx.new_id(),
        client_id=client.id,
        username=new.username,
        email=email,
        representative=new.representative,
        active=new.active,
        password_hash=None,
        temporary_password_hash=None,
        temporary_password_expires_at=None,
        credential_due=new.reset_password and not new.active,
        version=1,
        created_at=tx.now,
        updated_at=tx.now,
        language=new.language,
    )


@needs(Right.MANAGE_PORTAL_LOGINS)
async def read(work: Work, *, actor: Actor, login_id: UUID) -> PortalLogin:
    """One portal login. Raises NotFound."""
    async with work.pool.transaction(actor.agency_id) as conn:
        login = await portal_logins.by_id(conn, login_id)
    if login is None:
        raise NotFound
    return login


@needs(Right.MANAGE_PORTAL_LOGINS)
async def update(
    work: Work,
    credentials: Credentials,
    *,
    actor: Actor,
    login_id: UUID,
    change: PortalLoginChange,
    expected_version: int | None = None,
    only_if: Callable[[PortalLogin], None] = lambda login: None,
) -> PortalLogin:
    """Change a portal login. Made inactive, or given a new password, its sessions end in the same transaction; given
    another e-mail address, the old one is told.

    ``only_if`` sees the login while it is held, and may raise. Raises NotFound, NotContracted, EmailComesBack, Changed.
    """
    # A new password may turn out to be due inside the transaction (see _wants_password), so one is made beforehand.
    may_need = change.reset_password or change.active is True or change.email is not None
    password = await credentials.make() if may_need else None
    async with work.transaction(actor) as tx:
        agency = await agencies.by_id(tx.conn, actor.agency_id)
        agency.require_contract()
        before = await portal_logins.lock(tx.conn, login_id)
        if before is None:
            raise NotFound
        if expected_version is not None and expected_version != before.version:
            raise Changed
        only_if(before)
        after = _changed(before, change)
        withdrawn = await _withdraw_mail(tx, before, after)
        given = password if _wants_password(before, after, change, withdrawn=withdrawn) else None
        if given is not None:
            after = credentials.given_to(after, given, agency, tx)
        elif (change.reset_password or withdrawn) and not after.active:
            after = _without_credential(after)
        if after == before:
            return before
        by_link = given is not None and agency.link_for_new_logins
        after = await _write(tx, agency, before, after, given=given is not None, by_link=by_link)
        if before.email != after.email:
            await email_changes.tell_the_old_address(tx, credentials, before=before, after=after, agency=agency)
        await login_notices.tell(
            tx, credentials, before=before, after=after, agency=agency, has_credential=given is not None
        )
        if given is not None:
            await credentials.mail(tx, after, given, agency)
    return after


def _changed(login: PortalLogin, change: PortalLoginChange) -> PortalLogin:
    return replace(
        login,
        email=login.email if change.email is None else change.email,
        representative=login.representative if change.representative is None else change.representative,
        active=login.active if change.active is None else change.active,
        language=login.language if change.language is None else change.language or None,
    )


async def _withdraw_mail(tx: Transaction, before: PortalLogin, after: PortalLogin) -> bool:
    """Take back what is still in the queue when it would go to a wrong address or an inactive login.

    Answers whether its owner will not get, or can't use any more, what they were given to come in with.
    """
    if before.active and not after.active:
        reason = "login made inactive"
    elif before.email != after.email:
        reason = "address changed"
    else:
        return False
    owner = Subject(client_id=before.client_id, portal_login_id=before.id)
    ended = await deliveries.end_open(tx, owner, state="cancelled", reason=reason)
    return lost_with(before, ended, tx.now)


def _wants_password(before: PortalLogin, after: PortalLogin, change: PortalLoginChange, *, withdrawn: bool) -> bool:
    becomes_active = after.active and not before.active
    return after.active and (change.reset_password or withdrawn or (becomes_active and after.credential_due))


def _without_credential(login: PortalLogin) -> PortalLogin:
    return replace(
        login,
        password_hash=None,
        temporary_password_hash=None,
        temporary_password_expires_at=None,
        credential_due=True,
    )


async def _write(
    tx: Transaction, agency: Agency, before: PortalLogin, after: PortalLogin, *, given: bool, by_link: bool
) -> PortalLogin:
    taken = after.temporary_password_hash != before.temporary_password_hash
    password_updated = given or taken or (after.credential_due and not before.credential_due)
    after = replace(after, updated_at=tx.now)
    if before.email != after.email:
        after = replace(after, email_unconfirmed_since=tx.now)
    after = replace(after, version=await portal_logins.update(tx.conn, after))
    subject = Subject(client_id=after.client_id, portal_login_id=after.id)
    await tx.append(
        PortalLoginUpdated(
            username=after.username,
            changes=_differences(agency, before, after),
            password_updated=password_updated,
            by_link=by_link,
        ),
        subject,
    )
    if password_updated or (before.active and not after.active):
        await end_sessions(tx, after)
    elif before.email != after.email:
        # A code that went to the old address must not set a password any more.
        await sessions.void_password_tokens(tx.conn, after.id, tx.now)
    return after


@needs(Right.MANAGE_PORTAL_LOGINS)
async def resend(
    work: Work,
    credentials: Credentials,
    *,
    actor: Actor,
    login_id: UUID,
    email: str | None = None,
    expected_version: int | None = None,
    keep_own_password: bool = False,
) -> PortalLogin:
    """Mail a new temporary password, to another address if one is given; what came before it is no good any more.

    With ``keep_own_password`` an owner who has chosen a password keeps it. Raises NotFound, NotContracted, Changed,
    LoginInactive, PasswordChosen.
    """

    def check(login: PortalLogin) -> None:
        if not login.active:
            raise LoginInactive
        if keep_own_password and login.password_state(work.clock()) == "own":
            raise PasswordChosen

    return await update(
        work,
        credentials,
        actor=actor,
        login_id=login_id,
        change=PortalLoginChange(email=email, reset_password=True),
        expected_version=expected_version,
        only_if=check,
    )


@needs(Right.MANAGE_PORTAL_LOGINS)
async def unlock(work: Work, *, actor: Actor, login_id: UUID) -> PortalLogin:
    """Lift the lock of a portal login, and forget the wrong passwords; nothing happens where there are none.

    Raises NotFound.
    """
    async with work.transaction(actor) as tx:
        login = await portal_logins.lock(tx.conn, login_id)
        if login is None:
            raise NotFound
        if await sign_in_budgets.renew(tx, "portal", login.id):
            subject = Subject(client_id=login.client_id, portal_login_id=login.id)
            await tx.append(PortalLoginUnlocked(username=login.username), subject)
    return replace(login, locked_until=None)


@needs(Right.MANAGE_PORTAL_LOGINS)
async def sign_out(work: Work, *, actor: Actor, login_id: UUID) -> PortalLogin:
    """End all sessions of a portal login; its password stays good. Raises NotFound."""
    async with work.transaction(actor) as tx:
        login = await portal_logins.lock(tx.conn, login_id)
        if login is None:
            raise NotFound
        await end_sessions(tx, login)
    return login


async def end_sessions(tx: Transaction, login: PortalLogin) -> None:
    """End a login's sessions, each with its event, and void whatever could set its password or open a session."""
    await sessions.void_password_tokens(tx.conn, login.id, tx.now)
    await second_factors.start_over(tx.conn, "portal", login.id, tx.now)
    subject = Subject(client_id=login.client_id, portal_login_id=login.id)
    await access.end_all(tx, "portal", login.username, subject)


def _differences(agency: Agency, before: PortalLogin, after: PortalLogin) -> tuple[Change, ...]:
    pairs = (
        ("Portal User Email", before.email, after.email),
        ("Representative", yes_no(before.representative), yes_no(after.representative)),
        ("Active", yes_no(before.active), yes_no(after.active)),
        (LANGUAGE_LABEL, _language(agency, before), _language(agency, after)),
    )
    return tuple(Change(field=field, old=old, new=new) for field, old, new in pairs if old != new)


def _language(agency: Agency, login: PortalLogin) -> str:
    name = LANGUAGES.get(login.written_to_in(agency), login.language or "")
    return name if login.language else f"{name} (the agency's own)"
