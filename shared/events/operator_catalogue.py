"""The events of what operators do: decisions about dead letters, and what becomes of the audit log itself."""

from __future__ import annotations

from datetime import date
from typing import Literal
from uuid import UUID

from shared.events.registry import Payload, event


class _DeadLetterPayload(Payload):
    """What every decision about a dead letter says; ``event_id`` is the refused event's, where it could be read."""

    letter_id: int
    reason: str
    event_id: UUID | None = None


@event("dead_letter.replayed")
class DeadLetterReplayed(_DeadLetterPayload):
    """An operator had an event stored that the audit store had refused before."""


@event("dead_letter.discarded")
class DeadLetterDiscarded(_DeadLetterPayload):
    """An operator decided that an event which the audit store refuses is not to be stored."""


@event("audit_log.retention_changed")
class AuditLogRetentionChanged(Payload):
    """An operator changed for how many full years after its own an agency's events of a year are kept."""

    old: int
    new: int


@event("audit_log.retired")
class AuditLogRetired(Payload):
    """A year's events were removed from the audit store, all together, when their retention was over."""

    year: int
    events: int


@event("audit_log.erased")
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


@event("key.added")
class KeyAdded(_KeyPayload):
    """An operator gave a service a new key, which takes the place of the one before once it is known everywhere."""


@event("key.withdrawn")
class KeyWithdrawn(_KeyPayload):
    """An operator withdrew a key: it had been replaced, or somebody may have got hold of it."""

    reason: Literal["replaced", "leaked"]


@event("audit_log.verified")
class AuditLogVerified(Payload):
    """An operator verified the hash chains of an agency's events.

    ``outcome`` says whether anything was found that nobody but the owner of the database can have done; ``since`` is
    the day from whose seals on the chains were walked, where not all of them was.
    """

    outcome: Literal["well", "tampered"]
    chains: int
    events: int
    since: date | None = None
