"""The events of passkeys, of portal logins and of staff."""

from __future__ import annotations

from typing import Literal

from shared.events.registry import ActivityWording, Payload, SecurityWording, event

Removal = Literal["own", "reported"]
_REMOVAL_SUFFIX: dict[str, str] = {"own": "", "reported": " (the login was locked)"}


@event(
    "portal_login.passkey_added",
    activity=ActivityWording("Passkey Added", "The passkey {passkey} was added by {username}"),
    security=SecurityWording("Portal Passkey Added", "{username} added the passkey {passkey}."),
)
class PortalPasskeyAdded(Payload):
    """The owner of a portal login added a passkey: it signs in without a password. ``passkey`` is what it is called."""

    username: str
    passkey: str


@event(
    "portal_login.passkey_renamed",
    activity=ActivityWording("Passkey Renamed", "The passkey {old} was renamed to {passkey} by {username}"),
    security=SecurityWording("Portal Passkey Renamed", "{username} renamed the passkey {old} to {passkey}."),
)
class PortalPasskeyRenamed(Payload):
    """The owner of a portal login calls a passkey something else."""

    username: str
    passkey: str
    old: str


@event(
    "portal_login.passkey_removed",
    activity=ActivityWording("Passkey Removed", "The passkey {passkey} was removed by {username}{reason_suffix}"),
    security=SecurityWording(
        "Portal Passkey Removed", "The passkey {passkey} of {username} was removed{reason_suffix}."
    ),
)
class PortalPasskeyRemoved(Payload):
    """The owner of a portal login removed a passkey, or said that somebody else had changed how to sign in."""

    username: str
    passkey: str
    reason: Removal = "own"

    @property
    def reason_suffix(self) -> str:
        """Nothing for one that was removed by itself."""
        return _REMOVAL_SUFFIX[self.reason]


@event(
    "staff.passkey_added", security=SecurityWording("Staff Passkey Added", "{username} added the passkey {passkey}.")
)
class StaffPasskeyAdded(Payload):
    """A staff user added a passkey."""

    username: str
    passkey: str


@event(
    "staff.passkey_renamed",
    security=SecurityWording("Staff Passkey Renamed", "{username} renamed the passkey {old} to {passkey}."),
)
class StaffPasskeyRenamed(Payload):
    """A staff user calls a passkey something else."""

    username: str
    passkey: str
    old: str


@event(
    "staff.passkey_removed",
    security=SecurityWording(
        "Staff Passkey Removed", "The passkey {passkey} of {username} was removed{reason_suffix}."
    ),
)
class StaffPasskeyRemoved(Payload):
    """A staff user removed a passkey, or said that somebody else had changed how to sign in."""

    username: str
    passkey: str
    reason: Removal = "own"

    @property
    def reason_suffix(self) -> str:
        """Nothing for one that was removed by itself."""
        return _REMOVAL_SUFFIX[self.reason]
