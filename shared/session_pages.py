"""What the pages of staff and clients that list one's own sessions have in common."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID
from zoneinfo import ZoneInfo

from shared.accounts.own_sessions import OpenSession
from shared.http.devices import device_of
from shared.http.fields import Body
from shared.http.times import short_time


class EndSessionForm(Body):
    """The button beside a session."""

    session: UUID


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session in words, with times in the agency's zone."""

    id: UUID
    device: str
    address: str
    started: str
    seen: str
    current: bool


def rows_of(sessions: Iterable[OpenSession], zone: ZoneInfo) -> list[SessionRow]:
    """One row a session."""
    return [
        SessionRow(
            id=s.id,
            device=device_of(s.user_agent),
            address=str(s.address or ""),
            started=short_time(s.started_at, zone),
            seen=short_time(s.last_seen_at, zone),
            current=s.current,
        )
        for s in sessions
    ]
