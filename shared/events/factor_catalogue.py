"""The events of second factors, of staff and of portal logins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from shared.events.registry import ActivityWording, Change, ChangeWording, Payload, SecurityWording, event

FactorChange = Literal[
    "app_set_up",
    "app_removed",
    "recovery_codes_made",
    "recovery_code_used",
    "device_remembered",
    "devices_forgotten",
]

CHANGES_IN_WORDS: Final[Mapping[FactorChange, str]] = {
    "app_set_up": "An authenticator app was set up",
    "app_removed": "The authenticator app was removed",
    "recovery_codes_made": "New recovery codes were made",
    "recovery_code_used": "A recovery code was used",
    "device_remembered": "A device was remembered",
    "devices_forgotten": "Remembered devices were forgotten",
}


class _FactorChanged(Payload):
    """What every change of a second factor says; never a secret or a code."""

    username: str
    what: FactorChange

    @property
    def in_words(self) -> str:
        """What was done, as a sentence without its end."""
        return CHANGES_IN_WORDS[self.what]


@event(
    "portal_login.second_factor_changed",
    activity=ActivityWording("Second Factor", "{in_words} for {username}"),
    security=SecurityWording("Portal Second Factor Changed", "{in_words} for {username}."),
)
class PortalSecondFactorChanged(_FactorChanged):
    """The owner of a portal login changed or used what is asked for besides the password."""


@event(
    "portal_login.second_factor_reset",
    activity=ActivityWording("Second Factor Reset", "The second factor of {username} was removed by {actor}"),
    change=ChangeWording("Portal Login", "The second factor of Portal Login {username} was removed."),
    security=SecurityWording(
        "Portal Second Factor Reset", "{actor} removed the second factor of {username}. Reason: {reason}"
    ),
)
class PortalSecondFactorReset(Payload):
    """Staff removed the second factor of a portal login whose owner has lost it, and recorded why."""

    username: str
    reason: str

    @property
    def change_lines(self) -> Sequence[str]:
        """The reason."""
        return (f"Reason: {self.reason}",)


@event(
    "staff.second_factor_changed",
    security=SecurityWording("Staff Second Factor Changed", "{in_words} for {username}."),
)
class StaffSecondFactorChanged(_FactorChanged):
    """A staff user changed or used what is asked for besides the password."""


@event(
    "staff.second_factor_reset",
    security=SecurityWording(
        "Staff Second Factor Reset", "{actor} removed the second factor of {username}. Reason: {reason}"
    ),
)
class StaffSecondFactorReset(Payload):
    """An agency's admin removed the second factor of a staff user who has lost it, and recorded why."""

    username: str
    reason: str


@event(
    "agency.sign_in_rules_changed",
    security=SecurityWording("Sign-in Rules Changed", "{actor} changed the sign-in rules: {in_words}."),
)
class SignInRulesChanged(Payload):
    """An agency's admin changed of whom a second factor is asked."""

    changes: tuple[Change, ...]

    @property
    def in_words(self) -> str:
        """Each rule with its old and its new value."""
        return ", ".join(map(str, self.changes))

    @property
    def changed_fields(self) -> Sequence[Change]:
        """The rules with old and new value."""
        return self.changes
