"""What is done to the store, or read in it, is an event in it: stored in the same transaction, by way of no stream."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from services.audit.entries import Entry
from services.audit.store import entry_of
from shared.actors import Actor
from shared.events import Envelope, EventIds, Payload, Subject

_NOTHING: Final = Subject()
_ids: Final = EventIds()


def note_of(payload: Payload, *, actor: Actor, now: datetime, subject: Subject = _NOTHING) -> Entry:
    """The event that says so, ready to be appended."""
    event = Envelope(
        id=_ids(now),
        type=payload.type,
        version=payload.version,
        agency_id=actor.agency_id,
        occurred_at=now,
        actor=actor.as_event_actor(),
        subject=subject,
        request_id=actor.request_id,
        payload=payload.model_dump(mode="json"),
    )
    return entry_of(event.to_json())
