"""The events of staff themselves: their sessions, their logins, and the logs that they read."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from shared.events import words
from shared.events.catalogue import SessionEnd
from shared.events.registry import Payload, SecurityWording, event


@event("staff_session.started", security=SecurityWording("Staff Sign-in", "{username} signed in."))
class StaffSessionStarted(Payload):
    """A staff user signed in."""

    username: str


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
    """A staff sign-in was refused. What was typed is kept only when it names a staff user of the agency."""

    username: str | None
    reason: Literal["unknown_username", "wrong_password", "inactive", "no_password", "locked", "wrong_code"]

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


@event("staff.created", security=SecurityWording("Staff User Added", "{actor} added {username} as {shown_role}."))
class StaffCreated(Payload):
    """A staff user was added."""

    username: str
    role: str

    @property
    def shown_role(self) -> str:
        """The role with its article."""
        return words.ROLES.get(self.role, self.role)


@event("log.viewed", security=SecurityWording("Log Viewed", "{actor} read {shown_log}."))
class LogViewed(Payload):
    """Staff read a log: a client's changes, the activity of a client or a portal login, or the security log."""

    log: Literal["changes", "activity", "security"]
    filters: dict[str, str] = Field(default_factory=dict)

    @property
    def shown_log(self) -> str:
        """The log as pages call it."""
        return words.LOGS[self.log]
