"""Dead letters: what could not be stored, for operators to look at, to try again, or to discard."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from services.audit.entries import Entry, NoEvent
from services.audit.notes import note_of
from services.audit.store import BAD_ROW, SQL, append, entry_of
from shared.actors import operator
from shared.db import Connection, Pool
from shared.errors import DomainError
from shared.events import Payload
from shared.events.operator_catalogue import DeadLetterDiscarded, DeadLetterReplayed

State: TypeAlias = Literal["waiting", "stored", "replayed", "discarded"]
"""``stored``: nobody decided, but the event came in by another way; a replay closes the letter."""
Replayed: TypeAlias = Literal["stored", "stored already"]

# Anything may stand in a body, names of people as well; only what has this form is taken for a type and shown.
_TYPE: Final = re.compile(r"[a-z_]{1,60}\.[a-z_]{1,60}")


class StillRefused(DomainError):
    """The event still cannot be stored."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Who decides about a letter (an account on a host, at the command line), and why."""

    account: str
    host: str
    reason: str

    @property
    def by(self) -> str:
        """``account@host``."""
        return f"{self.account}@{self.host}"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What could not be stored; ``body`` is what stood in the stream."""

    id: int
    stream_id: str
    event_id: UUID | None
    body: str
    reason: str
    received_at: datetime
    replayed_at: datetime | None
    discarded_at: datetime | None
    decided_by: str | None
    decision_reason: str | None
    stored: bool

    @property
    def state(self) -> State:
        """What became of it."""
        if self.replayed_at is not None:
            return "replayed"
        if self.discarded_at is not None:
            return "discarded"
        return "stored" if self.stored else "waiting"

    @property
    def agency_id(self) -> UUID | None:
        """The agency that its body names, where that can be read."""
        return _agency_in(self.body)

    @property
    def type(self) -> str | None:
        """The event's type, where it can be read and has the form of one."""
        found = _fields_of(self.body).get("type")
        return found if isinstance(found, str) and _TYPE.fullmatch(found) else None


async def listed(conn: Connection, *, also_done: bool, after: int, limit: int) -> list[DeadLetter]:
    """Dead letters with an id above ``after``, oldest first; those replayed or discarded only when asked for."""
    return [DeadLetter(**r) for r in await conn.fetch(SQL["dead_letters"], also_done, after, limit)]


async def open_ids(conn: Connection) -> list[int]:
    """The ids of all that nobody decided about, oldest first."""
    return [r["id"] for r in await conn.fetch(SQL["open_dead_letters"])]


async def show(conn: Connection, letter_id: int) -> DeadLetter | None:
    """One of them, None when there is none of this id."""
    row = await conn.fetchrow(SQL["dead_letter"], letter_id)
    return DeadLetter(**row) if row is not None else None


async def replay(pool: Pool, *, letter_id: int, decision: Decision, now: datetime) -> Replayed | None:
    """Store a dead letter's event now, and with it, in the agency's log, that somebody had it stored.

    None when the letter is gone or done. Raises StillRefused, which says why; the letter then goes on waiting.
    """
    try:
        async with pool.transaction(None) as conn:
            # The mark comes first: it locks the row, so that nobody discards it meanwhile.
            row = await conn.fetchrow(SQL["mark_replayed"], letter_id, now, decision.by, decision.reason)
            if row is None:
                return None
            note = DeadLetterReplayed(letter_id=letter_id, reason=decision.reason, event_id=row["event_id"])
            if row["stored"]:
                await _note(conn, note, row["body"], decision, now)
                return "stored already"
            entry = entry_of(row["body"])
            # One call for both: chains are always locked in the same order. The note is always new.
            appended = await append(conn, [entry, _entry(note, entry.event.agency_id, decision, now)])
            return "stored" if appended == 2 else "stored already"
    except NoEvent as error:
        why = str(error).removeprefix("no event: ")
        raise StillRefused(f"this version cannot read it ({why}); it can be replayed with one that can") from error
    except BAD_ROW as error:
        raise StillRefused(f"PostgreSQL still refuses it ({type(error).__name__})") from error


async def discard(pool: Pool, *, letter_id: int, decision: Decision, now: datetime) -> bool:
    """Decide that a dead letter is not needed; it stays readable. False when it is gone or done.

    The agency's log keeps the decision where the body names an agency.
    """
    async with pool.transaction(None) as conn:
        row = await conn.fetchrow(SQL["mark_discarded"], letter_id, now, decision.by, decision.reason)
        if row is None:
            return False
        note = DeadLetterDiscarded(letter_id=letter_id, reason=decision.reason, event_id=row["event_id"])
        await _note(conn, note, row["body"], decision, now)
        return True


async def _note(conn: Connection, note: Payload, body: str, decision: Decision, now: datetime) -> None:
    agency_id = _agency_in(body)
    if agency_id is not None:
        await append(conn, [_entry(note, agency_id, decision, now)])


def _entry(note: Payload, agency_id: UUID, decision: Decision, now: datetime) -> Entry:
    return note_of(note, actor=operator(agency_id, decision.account, decision.host), now=now)


def _fields_of(body: str) -> dict[str, Any]:
    """What can be read of a body, which need not be an event; empty when it is no JSON object."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _agency_in(body: str) -> UUID | None:
    found = _fields_of(body).get("agency_id")
    try:
        return UUID(found) if isinstance(found, str) else None
    except ValueError:
        return None
