"""The events of single sign-on: its settings, and who staff are at the identity provider."""

from __future__ import annotations

from collections.abc import Sequence

from shared.events.registry import Change, Payload, SecurityWording, event


@event(
    "staff.identity_linked",
    security=SecurityWording(
        "Single Sign-On Linked", "{username} signed in with single sign-on for the first time, at {issuer}."
    ),
)
class StaffIdentityLinked(Payload):
    """A staff user's first single sign-on: from now on nobody else at the provider is taken for them."""

    username: str
    issuer: str


@event(
    "staff.identity_unlinked",
    security=SecurityWording(
        "Single Sign-On Unlinked", "{actor} untied {username} from their login at the identity provider."
    ),
)
class StaffIdentityUnlinked(Payload):
    """An operator had it forgotten who a staff user is at the identity provider."""

    username: str


@event(
    "agency.single_sign_on_changed", security=SecurityWording("Single Sign-On Changed", "{actor} {deed}: {in_words}.")
)
class AgencySingleSignOnChanged(Payload):
    """The settings of single sign-on were changed, or it was removed. The client secret is never among the values."""

    changes: tuple[Change, ...]
    secret_changed: bool = False
    removed: bool = False

    @property
    def changed_fields(self) -> Sequence[Change]:
        """What changed, field by field, with old and new value."""
        return self.changes

    @property
    def deed(self) -> str:
        """What was done."""
        return "removed single sign-on" if self.removed else "changed single sign-on"

    @property
    def in_words(self) -> str:
        """The fields with their values; of the client secret only that it is another."""
        secret = ["Client Secret updated"] if self.secret_changed and not self.removed else []
        return ", ".join([*map(str, self.changes), *secret])
