"""What travels: one event in its envelope, as JSON, from the outbox through the stream to the audit store."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

ActorKind = Literal["staff", "portal_login", "system", "operator"]


class Actor(BaseModel):
    """Who did it.

    ``username`` is how the action log names a person, ``name`` how the change log does. For an operator the username
    is ``account@host`` of the command line; for the system it is the part that acted.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: ActorKind
    id: UUID | None = None
    username: str
    name: str
    session_id: UUID | None = None
    address: str | None = None


class Subject(BaseModel):
    """Whom the event is about. A portal login that is known brings its client."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    client_id: UUID | None = None
    case_id: UUID | None = None
    portal_login_id: UUID | None = None
    staff_user_id: UUID | None = None


class Envelope(BaseModel):
    """One event. ``id`` is a UUIDv7 of ``occurred_at``; unknown fields are ignored, so that they can be added."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: UUID
    type: str
    version: int
    agency_id: UUID
    occurred_at: AwareDatetime
    actor: Actor
    subject: Subject
    request_id: str | None = None
    payload: dict[str, Any]
    # Its personal details were erased from the store; never true of what travels.
    erased: bool = Field(default=False, exclude=True)

    def to_json(self) -> str:
        """The form in which it is stored in the outbox and in the stream."""
        return self.model_dump_json()


def from_json(text: str | bytes) -> Envelope:
    """Read an envelope back. Raises pydantic.ValidationError."""
    return Envelope.model_validate_json(text)
