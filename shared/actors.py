"""Who acts: every change and every event has an actor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from shared import events

Role = Literal["staff", "supervisor", "agency_admin"]


@dataclass(frozen=True, slots=True)
class Actor:
    """A staff user, a portal login, the system or an operator, at work for one agency.

    ``username`` is how the action log names it, ``name`` how the change log does.
    """

    agency_id: UUID
    kind: events.ActorKind
    username: str
    name: str
    id: UUID | None = None
    role: Role | None = None
    session_id: UUID | None = None
    address: str | None = None
    request_id: str | None = None

    def as_event_actor(self) -> events.Actor:
        """The part of it that an event keeps."""
        return events.Actor(
            kind=self.kind,
            id=self.id,
            username=self.username,
            name=self.name,
            session_id=self.session_id,
            address=self.address,
        )


def system(agency_id: UUID, part: str) -> Actor:
    """The system itself; ``part`` names what acted, for example ``session sweep``."""
    return Actor(agency_id=agency_id, kind="system", username=part, name=part)


def operator(agency_id: UUID, account: str, host: str) -> Actor:
    """A person at the command line of a host."""
    return Actor(agency_id=agency_id, kind="operator", username=f"{account}@{host}", name=f"Operator {account}@{host}")
