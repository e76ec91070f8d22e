"""Every event of the product: its type, payload, wording and when it happens, each in one declaration.

A published payload never changes its meaning; what must change becomes a new version. The wordings are the ones that
agencies know from their record system, so they are kept letter by letter.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from shared.events import words
from shared.events.registry import ActivityWording, Change, ChangeWording, Payload, SecurityWording, event

SessionEnd = Literal["signed_out", "idle", "expired", "revoked"]
Proof = Literal["password", "passkey", "single_sign_on"]
"""How somebody showed who they are."""
Chosen = Literal["first", "own", "reset", "link"]
"""How somebody came to another password: ``link`` is one that staff had sent in place of a temporary password."""
LANGUAGE_LABEL: Final = "Language of e-mails"
_END_SUFFIX: dict[str, str] = {
    "signed_out": "",
    "idle": " (no activity)",
    "expired": " (session expired)",
    "revoked": " (session ended)",
}


@event(
    "portal_session.started",
    activity=ActivityWording("Login", "Patient Portal login by {username}"),
    security=SecurityWording("Portal Sign-in", "{username} signed in to the portal{with_what}."),
)
class PortalSessionStarted(Payload):
    """The owner of a portal login signed in, with a password of their own or with a passkey."""

    username: str
    how: Proof = "password"

    @property
    def with_what(self) -> str:
        """Nothing for a password."""
        return words.PROOFS[self.how]


@event(
    "portal_session.ended",
    activity=ActivityWording("Logout", "Patient Portal logout by {username}{reason_suffix}"),
    security=SecurityWording("Portal Sign-out", "The portal session of {username} ended: {ending}."),
)
class PortalSessionEnded(Payload):
    """A portal session ended: its owner signed out, it was idle for too long, it expired, or it was revoked."""

    username: str
    reason: SessionEnd

    @property
    def reason_suffix(self) -> str:
        """Nothing for a sign-out, the reason in brackets for the others."""
        return _END_SUFFIX[self.reason]

    @property
    def ending(self) -> str:
        """Why, in words."""
        return words.ENDINGS.get(self.reason, self.reason)


@event(
    "portal_session.refused",
    activity=ActivityWording("Login Failed", "Failed Patient Portal login as {shown_username}"),
    security=SecurityWording(
        "Portal Sign-in Refused", "A sign-in to the portal as {shown_username} was refused: {because}."
    ),
)
class PortalSessionRefused(Payload):
    """A sign-in to the portal was refused. What was typed is kept only when it names a login of the agency.

    ``copied_passkey``: its counter went back, so there may be two of it.
    """

    username: str | None
    reason: Literal[
        "unknown_username",
        "wrong_password",
        "inactive",
        "temporary_password_expired",
        "no_password",
        "locked",
        "unknown_passkey",
        "wrong_passkey",
        "copied_passkey",
        "wrong_code",
    ]

    @property
    def shown_username(self) -> str:
        """The login's username; typed text that names none is never stored."""
        return self.username or "an unknown username"

    @property
    def because(self) -> str:
        """Why, in words."""
        return words.REFUSALS.get(self.reason, self.reason)


@event(
    "portal_login.created",
    activity=ActivityWording("Profile Created", "Portal Login {username} was added by {actor}"),
    change=ChangeWording("Portal Login", "Added a new portal login"),
    security=SecurityWording("Portal Login Added", "{actor} added the portal login {username}."),
)
class PortalLoginCreated(Payload):
    """Staff added a portal login to a client."""

    username: str
    email: str
    representative: bool
    active: bool
    reset_password: bool
    # As it is called in English; nothing is the agency's own.
    language: str = ""

    @property
    def changed_fields(self) -> Sequence[Change]:
        """The new login's fields under the labels of the Portal Login window."""
        return (
            *self._fields,
            *((Change(field=LANGUAGE_LABEL, new=self.language),) if self.language else ()),
        )

    @property
    def _fields(self) -> Sequence[Change]:
        return (
            Change(field="Portal Username", new=self.username),
            Change(field="Portal User Email", new=self.email),
            Change(field="Representative", new=yes_no(self.representative)),
            Change(field="Active", new=yes_no(self.active)),
        )


@event(
    "portal_login.updated",
    activity=ActivityWording(
        "Profile Updated", "Portal Login {username} was modified by {actor}. Changes: {changes_text}"
    ),
    change=ChangeWording("Portal Login", "Portal Login {username} was modified."),
    security=SecurityWording(
        "Portal Login Changed", "{actor} changed the portal login {username}. Changes: {changes_text}"
    ),
)
class PortalLoginUpdated(Payload):
    """Staff changed a portal login, or had a new temporary password made for it.

    ``by_link``: its owner was sent a link to choose a password instead; the one before is dead all the same.
    """

    username: str
    changes: tuple[Change, ...] = ()
    password_updated: bool = False
    by_link: bool = False

    @property
    def change_lines(self) -> Sequence[str]:
        """One sentence a change."""
        updated = "Password removed, link to choose one sent" if self.by_link else "Password updated"
        return [str(c) for c in self.changes] + ([updated] if self.password_updated else [])

    @property
    def changes_text(self) -> str:
        """The changes in one line, as the action log joins them."""
        return ", ".join(self.change_lines)

    @property
    def changed_fields(self) -> Sequence[Change]:
        """The fields with old and new value; a password has neither."""
        return (*self.changes, *((Change(field="Password"),) if self.password_updated else ()))


@event(
    "portal_login.locked",
    activity=ActivityWording("Login Locked", "Portal Login {username} was locked after {failures} failed logins"),
    security=SecurityWording("Portal Login Locked", "{username} was locked after {failures} wrong passwords."),
)
class PortalLoginLocked(Payload):
    """So many wrong passwords were typed that a portal login is locked for a while.

    ``known_device``: the lock holds on one browser on which its owner had signed in before, else on all that are not
    known.
    """

    username: str
    failures: int
    until: datetime
    known_device: bool


@event(
    "portal_login.reported",
    activity=ActivityWording("Login Reported", "The owner of {username} said that a change was not theirs"),
    change=ChangeWording(
        "Portal Login", "Portal Login {username} was locked: its owner said that a change was not theirs."
    ),
    security=SecurityWording(
        "Change Reported",
        "The owner of the portal login {username} said that a change was not theirs. It is locked now.",
    ),
)
class PortalLoginReported(Payload):
    """The owner of a portal login said that somebody else had changed it: nobody gets in until staff act."""

    username: str


@event(
    "portal_login.email_confirmed",
    activity=ActivityWording("Email Confirmed", "The new e-mail address of {username} was confirmed"),
    change=ChangeWording("Portal Login", "Portal Login {username}: the new e-mail address was confirmed by its owner."),
    security=SecurityWording("Email Confirmed", "The new e-mail address of {username} was confirmed."),
)
class PortalLoginEmailConfirmed(Payload):
    """The reader of a portal login's old e-mail address said that the new one, which staff have put in, is theirs."""

    username: str


@event(
    "portal_login.unlocked",
    activity=ActivityWording("Login Unlocked", "Portal Login {username} was unlocked by {actor}"),
    change=ChangeWording("Portal Login", "Portal Login {username} was unlocked."),
    security=SecurityWording("Portal Login Unlocked", "{actor} unlocked the portal login {username}."),
)
class PortalLoginUnlocked(Payload):
    """The lock of a portal login was lifted before its time: by staff, or by its owner with a reset e-mail."""

    username: str


@event(
    "portal_password.changed",
    activity=ActivityWording("Reset Password", "Password changed by {username}"),
    security=SecurityWording("Portal Password Changed", "{username} {deed}."),
)
class PortalPasswordChanged(Payload):
    """The owner of a portal login chose a password: the first one, another one, or one after a reset mail."""

    username: str
    how: Chosen

    @property
    def deed(self) -> str:
        """What the owner did."""
        return words.PASSWORDS[self.how]


@event(
    "portal_password.reset_requested",
    activity=ActivityWording("Reset Requested", "A password reset e-mail was requested for {username}"),
    security=SecurityWording("Password Reset Requested", "A password reset e-mail was requested for {username}."),
)
class PortalPasswordResetRequested(Payload):
    """Somebody who knows the username and the e-mail address of a login asked for a reset e-mail."""

    username: str


@event(
    "portal_username.requested",
    activity=ActivityWording("Username Requested", "An e-mail with the username {username} was requested"),
    security=SecurityWording("Username Requested", "An e-mail with the username {username} was requested."),
)
class PortalUsernameRequested(Payload):
    """Somebody who knows the e-mail address of a login asked for its username, which is mailed there."""

    username: str


class BlockChanges(BaseModel):
    """The entries of one dynamic field block that were set; each change's field is the entry's key."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    block: str
    label: str
    entries: tuple[Change, ...]

    def __str__(self) -> str:
        settings = ", ".join(f"{{Set entry: {c.field} to value: {c.new or ''}}}" for c in self.entries)
        return f"In {self.label.lower()} field: {self.label} - {settings}"


@event(
    "face_sheet.updated",
    change=ChangeWording("Dynamic Fields", "Updated the following dynamic fields: {labels}"),
)
class FaceSheetUpdated(Payload):
    """Staff set entries of a face sheet's dynamic field blocks."""

    blocks: tuple[BlockChanges, ...]

    @property
    def labels(self) -> str:
        """The blocks' labels in one line."""
        return ", ".join(b.label for b in self.blocks)

    @property
    def change_lines(self) -> Sequence[str]:
        """One sentence a block."""
        return [str(b) for b in self.blocks]

    @property
    def changed_fields(self) -> Sequence[Change]:
        """Every entry that was set, named by its block and its key."""
        return [Change(field=f"{b.label} - {c.field}", old=c.old, new=c.new) for b in self.blocks for c in b.entries]


@event("face_sheet.viewed")
class FaceSheetViewed(Payload):
    """Staff opened a client's face sheet."""


@event(
    "portal_refusal.changed",
    change=ChangeWording("Portal Refusal", "Client Refused Portal Login: {answer}"),
)
class PortalRefusalChanged(Payload):
    """Staff recorded that a client refused a portal login, or withdrew that record."""

    refused: bool

    @property
    def answer(self) -> str:
        """Yes or No."""
        return yes_no(self.refused)

    @property
    def changed_fields(self) -> Sequence[Change]:
        """The checkbox with its old and new value."""
        return (Change(field="Client Refused Portal Login", old=yes_no(not self.refused), new=self.answer),)


@event("client.created", change=ChangeWording("Client", "Added the client {client_number}"))
class ClientCreated(Payload):
    """A client was added, by staff or by an import."""

    client_number: str
    imported: bool = False


@event("client.updated", change=ChangeWording("Client", "Updated the following client details: {labels}"))
class ClientUpdated(Payload):
    """A client's own details (name, date of birth) were changed."""

    changes: tuple[Change, ...]

    @property
    def labels(self) -> str:
        """The changed details in one line."""
        return ", ".join(c.field for c in self.changes)

    @property
    def change_lines(self) -> Sequence[str]:
        """One sentence a change."""
        return [str(c) for c in self.changes]

    @property
    def changed_fields(self) -> Sequence[Change]:
        """The details with old and new value."""
        return self.changes


@event("case.opened", change=ChangeWording("Case", "Opened the case {case_number}"))
class CaseOpened(Payload):
    """A case was added to a client."""

    case_number: str
    program: str = ""
    opened_on: date | None = None
    closed_on: date | None = None


@event("case.updated", change=ChangeWording("Case", "Updated the case {case_number}"))
class CaseUpdated(Payload):
    """A case's program or dates were changed."""

    case_number: str
    changes: tuple[Change, ...]

    @property
    def change_lines(self) -> Sequence[str]:
        """One sentence a change."""
        return [str(c) for c in self.changes]

    @property
    def changed_fields(self) -> Sequence[Change]:
        """The details with old and new value."""
        return self.changes


def yes_no(value: bool) -> str:
    """A checkbox in words."""
    return "Yes" if value else "No"
