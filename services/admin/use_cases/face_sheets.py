"""Staff find clients, open and change their face sheets, and record refusals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date
from uuid import UUID

from services.admin.use_cases import login_notices
from services.admin.use_cases.credentials import Credentials, lost_with
from services.admin.use_cases.portal_logins import end_sessions
from shared.accounts import agencies, clients, field_blocks, portal_logins, second_factors, sessions
from shared.accounts.agencies import Agency
from shared.accounts.clients import Case, Client, ClientFound, ClientNumberTaken, DynamicFields
from shared.accounts.field_blocks import Block
from shared.accounts.portal_logins import PortalLogin
from shared.accounts.search_terms import folded
from shared.actors import Actor
from shared.db import Connection
from shared.deliveries import bounces
from shared.deliveries import store as deliveries
from shared.deliveries.bounces import Flag, Returned
from shared.errors import Changed, DomainError, FieldError, InvalidFields, NotFound
from shared.events import Change, Subject
from shared.events.catalogue import (
    BlockChanges,
    CaseOpened,
    ClientCreated,
    ClientUpdated,
    FaceSheetUpdated,
    FaceSheetViewed,
    PortalLoginUpdated,
    PortalRefusalChanged,
)
from shared.outbox import Transaction, Work
from shared.rights import Right, needs

# An assigned number may have been used by an import; this many are tried.
_NUMBERS_TRIED = 20


class LoginsStillActive(DomainError):
    """This client has active portal logins. Say whether to make them inactive as well."""

    field = "deactivate_portal_logins"


@dataclass(frozen=True, slots=True)
class FaceSheet:
    """Everything that a client's face sheet shows."""

    agency: Agency
    client: Client
    cases: Sequence[Case]
    blocks: Sequence[Block]
    logins: Sequence[PortalLogin]
    # How many sessions of each login are open now; those with none are left out.
    open_sessions: Mapping[UUID, int]
    # The logins that have a second factor.
    second_factors: Set[UUID] = frozenset()
    # The addresses of logins that nothing is sent to, in small letters.
    flags: Mapping[str, Flag] = field(default_factory=dict)
    # Of logins whose latest e-mail came back though the next one may arrive.
    returned: Mapping[UUID, Returned] = field(default_factory=dict)

    def flag(self, login: PortalLogin) -> Flag | None:
        """Why nothing is sent to the login's address."""
        return self.flags.get(login.email.lower())


@dataclass(frozen=True, slots=True)
class NewClient:
    """A client to add. A missing client number is assigned."""

    client_number: str | None
    first_name: str
    last_name: str
    date_of_birth: date
    case_number: str | None = None


@dataclass(frozen=True, slots=True)
class FaceSheetChange:
    """What is to be changed; None, and entries that are not named, stay as they are."""

    first_name: str | None = None
    last_name: str | None = None
    date_of_birth: date | None = None
    portal_refused: bool | None = None
    dynamic_fields: DynamicFields | None = None
    # With a refusal: make the client's active portal logins inactive as well. None: ask, if there are any.
    deactivate_portal_logins: bool | None = False


@dataclass(frozen=True, slots=True)
class FoundPage:
    """A page of a search's result; ``next_after`` is the client after whom the next page begins."""

    clients: Sequence[ClientFound]
    next_after: UUID | None


@needs(Right.READ_FACE_SHEETS)
async def search(
    work: Work, *, actor: Actor, query: str, after: tuple[str, str, UUID] | None, limit: int
) -> list[ClientFound]:
    """Clients of the actor's agency by name, date of birth, client or case number, or a prefix of each."""
    async with work.pool.transaction(actor.agency_id) as conn:
        return await clients.search(conn, query, after=after, limit=limit)


@needs(Right.READ_FACE_SHEETS)
async def search_page(work: Work, *, actor: Actor, query: str, after: UUID | None, limit: int) -> FoundPage:
    """The same page by page; ``after`` is the last client of the page before. Raises InvalidFields when there is none.

    The client's place is looked up anew, so that an address or a form carries an id and no name.
    """
    async with work.pool.transaction(actor.agency_id) as conn:
        position = await _position(conn, after) if after else None
        found = await clients.search(conn, query, after=position, limit=limit + 1)
    return FoundPage(found[:limit], found[limit - 1].id if len(found) > limit else None)


async def _position(conn: Connection, client_id: UUID) -> tuple[str, str, UUID]:
    client = await clients.by_id(conn, client_id)
    if client is None:
        raise InvalidFields(FieldError("cursor", "This page of the search is gone. Search again."))
    return folded(client.last_name), folded(client.first_name), client.id


@needs(Right.READ_FACE_SHEETS)
async def view(work: Work, *, actor: Actor, client_id: UUID) -> FaceSheet:
    """A client's face sheet; that it was opened is an event. Raises NotFound."""
    async with work.transaction(actor) as tx:
        sheet = await _read(tx, client_id)
        await tx.append(FaceSheetViewed(), Subject(client_id=client_id))
    return sheet


@needs(Right.READ_FACE_SHEETS)
async def read(work: Work, *, actor: Actor, client_id: UUID) -> FaceSheet:
    """The same for somebody who has it open already. Raises NotFound."""
    async with work.transaction(actor) as tx:
        return await _read(tx, client_id)


async def _read(tx: Transaction, client_id: UUID) -> FaceSheet:
    client = await clients.by_id(tx.conn, client_id)
    if client is None:
        raise NotFound
    logins = await portal_logins.of_client(tx.conn, client_id)
    return FaceSheet(
        agency=await agencies.by_id(tx.conn, tx.agency_id),
        client=client,
        cases=await clients.cases_of(tx.conn, client_id),
        blocks=await field_blocks.of_agency(tx.conn),
        logins=logins,
        open_sessions=await sessions.open_of_client(tx.conn, client_id, tx.now),
        second_factors=await second_factors.of_client(tx.conn, client_id),
        flags=await bounces.flags(tx.conn, tx.agency_id, (login.email for login in logins)),
        returned=await bounces.latest_of(tx.conn, [login.id for login in logins]),
    )


@needs(Right.CHANGE_FACE_SHEETS)
async def create(work: Work, *, actor: Actor, new: NewClient) -> FaceSheet:
    """Add a client. Raises ClientNumberTaken, CaseNumberTaken, InvalidFields."""
    async with work.transaction(actor) as tx:
        if wrong := _wrong_birth(new.date_of_birth, tx):
            raise InvalidFields(*wrong)
        client = await _insert(tx, new)
        subject = Subject(client_id=client.id)
        await tx.append(ClientCreated(client_number=client.client_number), subject)
        if new.case_number:
            case = Case(tx.new_id(), client.id, new.case_number, "", tx.now.date(), None)
            await clients.insert_case(tx.conn, actor.agency_id, case)
            await tx.append(
                CaseOpened(case_number=case.case_number, opened_on=case.opened_on),
                Subject(client_id=client.id, case_id=case.id),
            )
        await clients.index(tx.conn, actor.agency_id, client)
        return await _read(tx, client.id)


async def _insert(tx: Transaction, new: NewClient) -> Client:
    client = Client(
        id=tx.new_id(),
        client_number=new.client_number or "",
        first_name=new.first_name,
        last_name=new.last_name,
        date_of_birth=new.date_of_birth,
        portal_refused=False,
        dynamic_fields={},
        version=1,
        updated_at=tx.now,
    )
    if new.client_number:
        await clients.insert(tx.conn, tx.agency_id, client)
        return client
    for _ in range(_NUMBERS_TRIED):
        numbered = replace(client, client_number=await clients.next_number(tx.conn, tx.agency_id))
        try:
            await clients.insert(tx.conn, tx.agency_id, numbered)
        except ClientNumberTaken:
            continue
        return numbered
    raise ClientNumberTaken("No free client number was found. Enter one.")


@needs(Right.CHANGE_FACE_SHEETS)
async def update(
    work: Work,
    credentials: Credentials,
    *,
    actor: Actor,
    client_id: UUID,
    change: FaceSheetChange,
    expected_version: int | None = None,
) -> FaceSheet:
    """Change a face sheet. Raises NotFound, NotContracted, InvalidFields, Changed, LoginsStillActive."""
    async with work.transaction(actor) as tx:
        before = await clients.lock(tx.conn, client_id)
        if before is None:
            raise NotFound
        if expected_version is not None and expected_version != before.version:
            raise Changed
        if change.portal_refused is not None and change.portal_refused != before.portal_refused:
            (await agencies.by_id(tx.conn, actor.agency_id)).require_contract()
        blocks = await field_blocks.of_agency(tx.conn)
        given = _checked(tx, change, blocks)
        after = _changed(before, change, given)
        logins = await _logins_to_deactivate(tx, before, after, change)
        if after != before:
            after = replace(after, updated_at=tx.now)
            await clients.update(tx.conn, after)
            await _append_changes(tx, before, after, field_blocks.differences(blocks, before.dynamic_fields, given))
        for login_id in logins:
            await _deactivate(tx, credentials, login_id)
        return await _read(tx, client_id)


def _checked(tx: Transaction, change: FaceSheetChange, blocks: Sequence[Block]) -> DynamicFields:
    """The entries that were given, cleaned. Raises InvalidFields with everything that is wrong with the change."""
    wrong = _wrong_birth(change.date_of_birth, tx)
    try:
        given = field_blocks.checked(blocks, change.dynamic_fields or {})
    except InvalidFields as error:
        raise InvalidFields(*wrong, *error.errors) from None
    if wrong:
        raise InvalidFields(*wrong)
    return given


def _wrong_birth(born: date | None, tx: Transaction) -> tuple[FieldError, ...]:
    # A day of grace: somewhere it is tomorrow already.
    if born is None or (born - tx.now.date()).days <= 1:
        return ()
    return (FieldError("date_of_birth", "Enter a date that is not in the future."),)


def _changed(before: Client, change: FaceSheetChange, given: DynamicFields) -> Client:
    return replace(
        before,
        first_name=before.first_name if change.first_name is None else change.first_name,
        last_name=before.last_name if change.last_name is None else change.last_name,
        date_of_birth=before.date_of_birth if change.date_of_birth is None else change.date_of_birth,
        portal_refused=before.portal_refused if change.portal_refused is None else change.portal_refused,
        dynamic_fields=field_blocks.merged(before.dynamic_fields, given),
    )


async def _append_changes(tx: Transaction, before: Client, after: Client, blocks: tuple[BlockChanges, ...]) -> None:
    subject = Subject(client_id=after.id)
    pairs = (
        ("First Name", before.first_name, after.first_name),
        ("Last Name", before.last_name, after.last_name),
        ("Date of Birth", before.date_of_birth.isoformat(), after.date_of_birth.isoformat()),
    )
    details = tuple(Change(field=field, old=old, new=new) for field, old, new in pairs if old != new)
    if details:
        await tx.append(ClientUpdated(changes=details), subject)
        await clients.index(tx.conn, tx.agency_id, after)
    if blocks:
        await tx.append(FaceSheetUpdated(blocks=blocks), subject)
    if before.portal_refused != after.portal_refused:
        await tx.append(PortalRefusalChanged(refused=after.portal_refused), subject)


async def _logins_to_deactivate(tx: Transaction, before: Client, after: Client, change: FaceSheetChange) -> list[UUID]:
    if not after.portal_refused or change.deactivate_portal_logins is False:
        return []
    active = [login.id for login in await portal_logins.of_client(tx.conn, after.id) if login.active]
    if change.deactivate_portal_logins is None:
        if active and not before.portal_refused:
            raise LoginsStillActive
        return []
    return active


async def _deactivate(tx: Transaction, credentials: Credentials, login_id: UUID) -> None:
    # Locked: its owner may be choosing a password at this very moment.
    login = await portal_logins.lock(tx.conn, login_id)
    if login is None or not login.active:
        return
    subject = Subject(client_id=login.client_id, portal_login_id=login.id)
    withdrawn = await deliveries.end_open(tx, subject, state="cancelled", reason="client refused")
    credential_due = login.credential_due or lost_with(login, withdrawn, tx.now)
    inactive = replace(login, active=False, credential_due=credential_due, updated_at=tx.now)
    if login.password_state(tx.now) == "link_sent":
        inactive = replace(inactive, temporary_password_expires_at=None)
    await portal_logins.update(tx.conn, inactive)
    await tx.append(
        PortalLoginUpdated(username=login.username, changes=(Change(field="Active", old="Yes", new="No"),)),
        subject,
    )
    await end_sessions(tx, inactive)
    agency = await agencies.by_id(tx.conn, tx.agency_id)
    await login_notices.tell_of_deactivation(tx, credentials, before=login, after=inactive, agency=agency)
