"""The event of an agency's e-mail settings."""

from __future__ import annotations

from collections.abc import Sequence

from shared.events.registry import Change, Payload, SecurityWording, event


@event(
    "agency.email_settings_changed",
    security=SecurityWording("E-mail Settings Changed", "{actor} changed the e-mail settings: {in_words}."),
)
class AgencyEmailSettingsChanged(Payload):
    """An agency's admin changed who e-mails are from, or their mail server. Its password is never among the values."""

    changes: tuple[Change, ...]
    password_changed: bool = False

    @property
    def changed_fields(self) -> Sequence[Change]:
        """What changed, field by field; a password has neither an old nor a new value."""
        return (*self.changes, *((Change(field="Password"),) if self.password_changed else ()))

    @property
    def in_words(self) -> str:
        """The fields with their values; of the password only that it is another, or gone."""
        return ", ".join([*map(str, self.changes), *(["Password changed"] if self.password_changed else [])])
