"""The events of what operators do: decisions about dead letters, and what becomes of the audit log itself."""

from __future__ import annotations

from datetime import date
from typing import Literal
from uuid import UUID

from shared.events.registry import Payload, SecurityWording, event


class _DeadLetterPayload(Payload):
    """What every decision about a dead letter says; ``event_id`` is the refused event's, where it could be read."""

    letter_id: int
    reason: str
    event_id: UUID | None = None


@event(
    "dead_letter.replayed",
    security=SecurityWording("Event Stored Late", "{actor} had an event stored that had been refused before."),
)
class DeadLetterReplayed(_DeadLetterPayload):
    """An operator had an event stored that the audit store had refused before."""


@event(
    "dead_letter.discarded",
    security=SecurityWording("Event Discarded", "{actor} decided that an event which was refused is not to be stored."),
)
class DeadLetterDiscarded(_DeadLetterPayload):
    """An operator decided that an event which the audit store refuses is not to be stored."""


@event(
    "audit_log.retention_changed",
    security=SecurityWording("Retention Changed", "{actor} changed how long events are kept: {old} -> {new} years."),
)
class AuditLogRetentionChanged(Payload):
    """An operator changed for how many full years after its own an agency's events of a year are kept."""

    old: int
    new: int


@event(
    "audit_log.retired",
    security=SecurityWording("Events Retired", "{actor} removed the {events} events of {year}, whose time was over."),
)
class AuditLogRetired(Payload):
    """A year's events were removed from the audit store, all together, when their retention was over."""

    year: int
    events: int


@event(
    "audit_log.erased",
    security=SecurityWording("Details Erased", "{actor} erased the personal details of {events} events of a client."),
)
class AuditLogErased(Payload):
    """An operator had the personal details of a client's events erased.

    ``events`` is how many had any; ``early`` says that the agency's retention was not over for all of them.
    """

    reason: str
    events: int
    early: bool = False


class _KeyPayload(Payload):
    """Which key: ``key`` is its name, which says nothing of the key itself; ``use`` is what it is for."""

    service: str
    use: Literal["signing", "sealing", "boxes"]
    key: str


@event("key.added", security=SecurityWording("Key Added", "{actor} gave the service {service} a new key for {use}."))
class KeyAdded(_KeyPayload):
    """An operator gave a service a new key, which takes the place of the one before once it is known everywhere."""


@event(
    "key.withdrawn",
    security=SecurityWording("Key Withdrawn", "{actor} withdrew a key of the service {service} for {use}: {because}."),
)
class KeyWithdrawn(_KeyPayload):
    """An operator withdrew a key: it had been replaced, or somebody may have got hold of it."""

    reason: Literal["replaced", "leaked"]

    @property
    def because(self) -> str:
        """Why, in words."""
        return "it was replaced" if self.reason == "replaced" else "somebody may have got hold of it"


@event(
    "audit_log.verified",
    security=SecurityWording("Log Verified", "{actor} verified the record of {events} events: {finding}."),
)
class AuditLogVerified(Payload):
    """An operator verified the hash chains of an agency's events.

    ``outcome`` says whether anything was found that nobody but the owner of the database can have done; ``since`` is
    the day from whose seals on the chains were walked, where not all of them was.
    """

    outcome: Literal["well", "tampered"]
    chains: int
    events: int
    since: date | None = None

    @property
    def finding(self) -> str:
        """The outcome in words."""
        return "nothing was found" if self.outcome == "well" else "it was tampered with"
