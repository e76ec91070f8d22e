"""The events of staff themselves: their sessions, their logins, and the logs that they read."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from shared.events.catalogue import SessionEnd
from shared.events.registry import Payload, event


@event("staff_session.started")
class StaffSessionStarted(Payload):
    """A staff user signed in."""

    username: str


@event("staff_session.ended")
class StaffSessionEnded(Payload):
    """A staff session ended."""

    username: str
    reason: SessionEnd


@event("staff_session.refused")
class StaffSessionRefused(Payload):
    """A staff sign-in was refused. What was typed is kept only when it names a staff user of the agency."""

    username: str | None
    reason: Literal["unknown_username", "wrong_password", "inactive", "no_password", "locked", "wrong_code"]


@event("staff.locked")
class StaffLocked(Payload):
    """So many wrong passwords were typed that a staff user is locked for a while.

    ``known_device``: the lock holds on one browser on which they had signed in before, else on all that are not known.
    """

    username: str
    failures: int
    until: datetime
    known_device: bool


@event("staff.created")
class StaffCreated(Payload):
    """A staff user was added."""

    username: str
    role: str


@event("log.viewed")
class LogViewed(Payload):
    """Staff read a log: a client's changes, or the activity of a client or a portal login."""

    log: Literal["changes", "activity"]
    filters: dict[str, str] = Field(default_factory=dict)
