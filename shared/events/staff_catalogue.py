"""The events of staff themselves: their sessions, their logins, and the logs that they read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Literal

from pydantic import Field

from shared.events import words
from shared.events.catalogue import Chosen, Proof, SessionEnd
from shared.events.registry import Change, Payload, SecurityWording, event

ROLE_NAMES: Final[Mapping[str, str]] = {
    "staff": "Staff",
    "supervisor": "Supervisor",
    "agency_admin": "Agency Admin",
}
"""How pages and logs name the roles."""


@event("staff_session.started", security=SecurityWording("Staff Sign-in", "{username} signed in{with_what}."))
class StaffSessionStarted(Payload):
    """A staff user signed in: with the password, a passkey, or at the agency's identity provider."""

    username: str
    how: Proof = "password"

    @property
    def with_what(self) -> str:
        """Nothing for a password."""
        return words.PROOFS[self.how]


@event("staff_session.ended", security=SecurityWording("Staff Sign-out", "The session of {username} ended: {ending}."))
class StaffSessionEnded(Payload):
    """A staff session ended."""

    username: str
    reason: SessionEnd

    @property
    def ending(self) -> str:
        """Why, in words."""
        return words.ENDINGS.get(self.reason, self.reason)


@event(
    "staff_session.refused",
    security=SecurityWording("Staff Sign-in Refused", "A sign-in as {shown_username} was refused: {because}."),
)
class StaffSessionRefused(Payload):
    """A staff sign-in was refused. What was typed is kept only when it names a staff user of the agency.

    By single sign-on: the provider knows somebody whom nobody here is (``unknown_person``), or who under this name is
    somebody else than before (``other_identity``); it let nobody in (``provider_refused``); its word does not stand up
    to the checks (``not_proven``); it came to another browser than the one that asked (``other_browser``).
    """

    username: str | None
    reason: Literal[
        "unknown_username",
        "wrong_password",
        "inactive",
        "temporary_password_expired",
        "no_password",
        "locked",
        "wrong_code",
        "local_sign_in_off",
        "unknown_person",
        "other_identity",
        "provider_refused",
        "not_proven",
        "other_browser",
        "unknown_passkey",
        "wrong_passkey",
        "copied_passkey",
    ]
    how: Proof = "password"

    @property
    def shown_username(self) -> str:
        """The staff user's username; typed text that names none is never stored."""
        return self.username or "an unknown username"

    @property
    def because(self) -> str:
        """Why, in words."""
        return words.REFUSALS.get(self.reason, self.reason)


@event(
    "staff.locked",
    security=SecurityWording("Staff User Locked", "{username} was locked after {failures} wrong passwords."),
)
class StaffLocked(Payload):
    """So many wrong passwords were typed that a staff user is locked for a while.

    ``known_device``: the lock holds on one browser on which they had signed in before, else on all that are not known.
    """

    username: str
    failures: int
    until: datetime
    known_device: bool


@event("staff.unlocked", security=SecurityWording("Staff User Unlocked", "{actor} unlocked {username}."))
class StaffUnlocked(Payload):
    """The lock of a staff user was lifted before its time: by an agency admin, or by themselves with a reset e-mail."""

    username: str


@event(
    "staff.reported",
    security=SecurityWording(
        "Staff Change Reported", "{username} said that a change was not theirs. Nobody gets in with it now."
    ),
)
class StaffReported(Payload):
    """A staff user said that somebody else had changed the password: nobody gets in until an agency admin acts."""

    username: str


@event("staff.created", security=SecurityWording("Staff User Added", "{actor} added {username} as {shown_role}."))
class StaffCreated(Payload):
    """A staff user was added: by an agency admin, who has them invited by e-mail, or by an operator."""

    username: str
    role: str
    display_name: str | None = None
    email: str | None = None

    @property
    def shown_role(self) -> str:
        """The role with its article."""
        return words.ROLES.get(self.role, self.role)

    @property
    def changed_fields(self) -> Sequence[Change]:
        """The new user's fields under the labels of the page."""
        role = ROLE_NAMES.get(self.role, self.role)
        fields = (("Username", self.username), ("Name", self.display_name), ("E-mail", self.email), ("Role", role))
        return [Change(field=field, new=new) for field, new in fields if new is not None]


@event(
    "staff.updated",
    security=SecurityWording("Staff User Changed", "{actor} changed {username}. Changes: {changes_text}"),
)
class StaffUpdated(Payload):
    """An agency admin changed a staff user, or had a new temporary password made for them."""

    username: str
    changes: tuple[Change, ...] = ()
    password_updated: bool = False

    @property
    def change_lines(self) -> Sequence[str]:
        """One sentence a change."""
        return [str(c) for c in self.changes] + (["Password updated"] if self.password_updated else [])

    @property
    def changes_text(self) -> str:
        """The changes in one line."""
        return ", ".join(self.change_lines)

    @property
    def changed_fields(self) -> Sequence[Change]:
        """The fields with old and new value; a password has neither."""
        return (*self.changes, *((Change(field="Password"),) if self.password_updated else ()))


@event("staff_password.changed", security=SecurityWording("Staff Password Changed", "{username} {deed}."))
class StaffPasswordChanged(Payload):
    """A staff user chose a password: the first one, another one, or one after a reset mail."""

    username: str
    how: Chosen

    @property
    def deed(self) -> str:
        """What they did."""
        return words.PASSWORDS[self.how]


@event(
    "staff_password.reset_requested",
    security=SecurityWording("Staff Password Reset Requested", "A password reset e-mail was requested for {username}."),
)
class StaffPasswordResetRequested(Payload):
    """Somebody who knows the username and the e-mail address of a staff user asked for a reset e-mail."""

    username: str


@event("log.viewed", security=SecurityWording("Log Viewed", "{actor} read {shown_log}."))
class LogViewed(Payload):
    """Staff read a log: a client's changes, the activity of a client or a portal login, or the security log."""

    log: Literal["changes", "activity", "security"]
    filters: dict[str, str] = Field(default_factory=dict)

    @property
    def shown_log(self) -> str:
        """The log as pages call it."""
        return words.LOGS[self.log]
