"""What stands in the stream, read fast: the fields that the store keeps in columns, and the event's own text."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec

from services.audit import chain
from shared.events import ActorKind, known_events

# What the logs show of each known event, where it names a login and a client.
_SHOWN: Final = {
    key: (known.activity is not None, known.change.change_type if known.change else None)
    for key, known in known_events().items()
}

_SmallInt = Annotated[int, msgspec.Meta(ge=0, le=32767)]
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class _Actor(msgspec.Struct, frozen=True, gc=False):
    kind: ActorKind
    username: str
    name: str
    id: UUID | None = None


class _Subject(msgspec.Struct, frozen=True, gc=False):
    client_id: UUID | None = None
    case_id: UUID | None = None
    portal_login_id: UUID | None = None


class Event(msgspec.Struct, frozen=True, gc=False):
    """The part of :class:`shared.events.Envelope` that decides where an event is kept and found."""

    id: UUID
    type: str
    version: _SmallInt
    agency_id: UUID
    occurred_at: _Moment
    actor: _Actor
    subject: _Subject
    payload: dict[str, Any]

    @property
    def actor_key(self) -> str:
        """By whom the change log is filtered: ``kind:id``, or the username where there is no id."""
        return f"{self.actor.kind}:{self.actor.id or self.actor.username}"

    @property
    def shown(self) -> tuple[bool, str | None]:
        """Whether the Client Action Log shows it, and as what the Face Sheet Change Log does (None: not at all).

        A type that is not known (yet) is shown where it names a login, or a client: there it is its own type of change.
        """
        in_activity, change_type = _SHOWN.get((self.type, self.version), (True, self.type))
        subject = self.subject
        return (
            in_activity and subject.portal_login_id is not None,
            change_type if subject.client_id is not None else None,
        )


class NoEvent(ValueError):
    """What stands in the stream cannot be read as an event; the message says why and quotes nothing of it."""


_LONGEST_REASON: Final = 500
_DECODER: Final = msgspec.json.Decoder(Event)


class Entry:
    """One event on its way into the store. ``text`` may say more than :class:`Event` has fields for."""

    __slots__ = ("chain", "event", "row", "stream_id", "text")

    def __init__(self, text: bytes, *, salt: bytes, stream_id: str = "") -> None:
        """Read an event as it was published. ``salt`` has 16 bytes. Raises NoEvent."""
        try:
            self.event = event = _DECODER.decode(text)
            self.text = text.decode()
            self.row = _row(event, self.text, text, salt)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise NoEvent(f"no event: {error}"[:_LONGEST_REASON]) from error
        except UnicodeError:
            raise NoEvent("no event: it holds what is no text") from None
        self.stream_id = stream_id
        self.chain = (event.agency_id, chain.year_of(event.id))


def _row(event: Event, text: str, raw: bytes, salt: bytes) -> tuple[Any, ...]:
    """The event as an audit.new_event, but for the chain's number."""
    subject, actor_key = event.subject, event.actor_key
    in_activity, change_type = event.shown
    facts = chain.facts(
        event_id=event.id,
        agency_id=event.agency_id,
        type_=event.type,
        version=event.version,
        occurred_at=event.occurred_at,
        actor_key=actor_key,
        client_id=subject.client_id,
        case_id=subject.case_id,
        portal_login_id=subject.portal_login_id,
        in_activity=in_activity,
        change_type=change_type,
    )
    digest = chain.personal_digest(salt, event.actor.name, raw)
    return (
        event.id,
        event.type,
        event.version,
        event.occurred_at,
        actor_key,
        event.actor.name,
        subject.client_id,
        subject.case_id,
        subject.portal_login_id,
        in_activity,
        change_type,
        text,
        salt,
        chain.leaf_of(facts, digest),
    )
