"""What the API of clients and portal logins takes and gives."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from services.admin.letter_fields import Language
from services.admin.use_cases.face_sheets import FaceSheet, FaceSheetChange, NewClient
from services.admin.use_cases.portal_logins import NewPortalLogin, PortalLoginChange
from shared.accounts.clients import DynamicFields
from shared.accounts.field_blocks import Block
from shared.accounts.owners import PasswordState
from shared.accounts.portal_logins import PortalLogin
from shared.deliveries.bounces import Flag
from shared.deliveries.store import Attempt, DeliveryState, MailName
from shared.deliveries.timeline import Followed, Step, StepName
from shared.errors import FieldError, InvalidFields
from shared.http.fields import (
    Answer,
    Body,
    CaseNumber,
    ClientNumber,
    Cursor,
    Email,
    Limit,
    Line,
    PastDate,
    PersonName,
    Query,
    Timestamp,
    Username,
)


def _not_given() -> Any:
    return None


def optional() -> Any:
    """A field that may be left out, which is not the same as null."""
    return Field(default_factory=_not_given)


class Search(Body):
    """A name, date of birth, client or case number, or the beginning of each; every word has to match."""

    query: Annotated[str, Line(200)]
    limit: Limit = 25
    cursor: Cursor | None = None


class NewClientIn(Body):
    """A client to add; without a client number one is assigned."""

    client_number: ClientNumber | None = None
    first_name: PersonName
    last_name: PersonName
    date_of_birth: PastDate
    case_number: CaseNumber | None = None

    def new(self) -> NewClient:
        """As the use case takes it."""
        return NewClient(**{name: getattr(self, name) for name in type(self).model_fields})


class ClientPatch(Body):
    """What is to be changed; fields and entries that are not named stay as they are.

    ``deactivate_portal_logins`` goes with a recorded refusal: the client's active logins are made inactive.
    """

    first_name: PersonName = optional()
    last_name: PersonName = optional()
    date_of_birth: PastDate = optional()
    portal_refused: bool = optional()
    dynamic_fields: DynamicFields = optional()
    deactivate_portal_logins: bool = False

    def change(self) -> FaceSheetChange:
        """As the use case takes it."""
        return FaceSheetChange(**self.changes())


class NewPortalLoginIn(Body):
    """A login to add. The e-mail address is given, or taken from the client's Current Residence block."""

    username: Username
    email: Email | None = None
    populate_email_from_current_residence: bool = False
    representative: bool = False
    active: bool = True
    reset_password: bool = True
    confirm_refused: bool = False
    language: Language | None = None

    def new(self) -> NewPortalLogin:
        """As the use case takes it. Raises InvalidFields unless there is exactly one source of the address."""
        if self.email is not None and self.populate_email_from_current_residence:
            raise InvalidFields(
                FieldError("email", "Give either this or populate_email_from_current_residence."),
                FieldError("populate_email_from_current_residence", "Give either this or email."),
            )
        if self.email is None and not self.populate_email_from_current_residence:
            raise InvalidFields(FieldError("email", "Enter a value."))
        return NewPortalLogin(
            username=self.username,
            email=self.email,
            representative=self.representative,
            active=self.active,
            reset_password=self.reset_password,
            confirm_refused=self.confirm_refused,
            language=self.language,
        )


class PortalLoginPatch(Body):
    """What is to be changed; with ``reset_password`` a new temporary password, or a link, is mailed.

    ``language`` null is the agency's own.
    """

    email: Email = optional()
    representative: bool = optional()
    active: bool = optional()
    reset_password: bool = False
    language: Language | None = optional()

    def change(self) -> PortalLoginChange:
        """As the use case takes it."""
        changes = self.changes()
        if "language" in changes:
            changes["language"] = changes["language"] or ""
        return PortalLoginChange(**changes)


class Resend(Body):
    """To another address, if one is given; the old one is told as with any change of the address."""

    email: Email = optional()


class Deliveries(Query):
    """Which page of a login's e-mails."""

    limit: Limit = 25
    cursor: Cursor | None = None


class ClientFoundOut(Answer):
    """A line of a search's result."""

    id: UUID
    client_number: str
    first_name: str
    last_name: str
    date_of_birth: date
    portal_refused: bool
    case_numbers: tuple[str, ...]


class CaseOut(Answer):
    """A case; ``closed_on`` is null while it is open."""

    id: UUID
    case_number: str
    program: str
    opened_on: date | None
    closed_on: date | None


class EmailBouncedOut(Answer):
    """E-mails to an address come back: since when, and why, in plain words. Nothing is sent there meanwhile."""

    at: Timestamp
    reason: str


class PortalLoginOut(Answer):
    """A portal login. Passwords are in no answer; ``password_state`` says what its owner can sign in with.

    ``locked_until`` is null unless the login is locked after too many wrong passwords; ``reported_at`` is when its
    owner said that somebody else had changed it: nobody gets in until the password is reset.
    ``email_unconfirmed_since`` is when staff put in an address, until its owner confirms it or signs in: for a day no
    reset e-mail goes there.
    ``link_expires_at``: at an agency whose new logins get a link to choose a password, for as long as none was chosen.
    ``language`` is that of the e-mails, null for the agency's own.
    """

    id: UUID
    client_id: UUID
    username: str
    email: str
    representative: bool
    active: bool
    language: str | None
    password_state: PasswordState
    temporary_password_expires_at: Timestamp | None
    link_expires_at: Timestamp | None
    locked_until: Timestamp | None
    reported_at: Timestamp | None
    email_unconfirmed_since: Timestamp | None
    email_bounced: EmailBouncedOut | None
    version: int
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, login: PortalLogin, now: datetime, flag: Flag | None) -> PortalLoginOut:
        """As it is at this moment; ``flag`` is that of its address."""
        over_at, by_link = login.temporary_password_expires_at, login.temporary_password_hash is None
        return cls(
            id=login.id,
            client_id=login.client_id,
            username=login.username,
            email=login.email,
            representative=login.representative,
            active=login.active,
            language=login.language,
            password_state=login.password_state(now),
            temporary_password_expires_at=None if by_link else over_at,
            link_expires_at=over_at if by_link else None,
            locked_until=login.locked_until if login.locked(now) else None,
            reported_at=login.reported_at,
            email_unconfirmed_since=login.email_unconfirmed_since,
            email_bounced=EmailBouncedOut(at=flag.since, reason=flag.reason) if flag else None,
            version=login.version,
            created_at=login.created_at,
            updated_at=login.updated_at,
        )


class ClientOut(Answer):
    """A client's face sheet. ``agency_portal_url`` is null for an agency without the client portal."""

    id: UUID
    client_number: str
    first_name: str
    last_name: str
    date_of_birth: date
    cases: tuple[CaseOut, ...]
    portal_refused: bool
    dynamic_fields: DynamicFields
    agency_portal_url: str | None
    portal_logins: tuple[PortalLoginOut, ...]
    version: int
    updated_at: Timestamp

    @classmethod
    def of(cls, sheet: FaceSheet, agency_portal_url: str, now: datetime) -> ClientOut:
        """As it is at this moment; entries that hold nothing are there and empty."""
        client = sheet.client
        return cls(
            id=client.id,
            client_number=client.client_number,
            first_name=client.first_name,
            last_name=client.last_name,
            date_of_birth=client.date_of_birth,
            cases=tuple(CaseOut.model_validate(case) for case in sheet.cases),
            portal_refused=client.portal_refused,
            dynamic_fields={b.key: _values(b, client.dynamic_fields) for b in sheet.blocks if not b.retired},
            agency_portal_url=agency_portal_url if sheet.agency.contracted else None,
            portal_logins=tuple(PortalLoginOut.of(login, now, sheet.flag(login)) for login in sheet.logins),
            version=client.version,
            updated_at=client.updated_at,
        )


def _values(block: Block, stored: DynamicFields) -> dict[str, str]:
    values = stored.get(block.key, {})
    return {entry.key: values.get(entry.key, "") for entry in block.entries if not entry.retired}


class AttemptOut(Answer):
    """One try to hand an e-mail over, with what the mail server said."""

    number: int
    started_at: Timestamp
    ended_at: Timestamp | None
    outcome: str | None
    reply_code: int | None
    reply: str


class StepOut(Answer):
    """One thing that happened to an e-mail: ``text`` is in plain words, ``reply`` in the mail server's own."""

    at: Timestamp
    step: StepName
    text: str
    reply: str | None


class DeliveryOut(Answer):
    """One e-mail to a person and how it got on; ``timeline`` tells it from the beginning, with what its reader did."""

    id: UUID
    mail: MailName
    recipient: str
    state: DeliveryState
    attempts: tuple[AttemptOut, ...]
    next_attempt_at: Timestamp | None
    expires_at: Timestamp
    created_at: Timestamp
    finished_at: Timestamp | None
    timeline: tuple[StepOut, ...]

    @classmethod
    def of(cls, followed: Followed) -> DeliveryOut:
        """As the API gives it; an e-mail that is finished has no next attempt."""
        delivery = followed.delivery
        return cls(
            id=delivery.id,
            mail=delivery.mail,
            recipient=delivery.recipient,
            state=delivery.state,
            attempts=tuple(_attempt(attempt) for attempt in delivery.tries),
            next_attempt_at=delivery.next_attempt_at if delivery.finished_at is None else None,
            expires_at=delivery.expires_at,
            created_at=delivery.created_at,
            finished_at=delivery.finished_at,
            timeline=tuple(_step(step) for step in followed.steps),
        )


def _step(step: Step) -> StepOut:
    return StepOut.model_validate(step)


def _attempt(attempt: Attempt) -> AttemptOut:
    return AttemptOut.model_validate(attempt)
