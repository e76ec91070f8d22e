"""Deliveries as the notifier sees them: taken with a lease, tried, ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from shared.db import Connection, named_queries
from shared.deliveries.store import LATER, MailName
from shared.events import Subject
from shared.letters.languages import chosen
from shared.letters.wording import NO_WORDING, Wording

SQL = named_queries(__package__, "sql/deliveries.sql")


@dataclass(frozen=True, slots=True)
class Known:
    """Whose delivery an id names, and which domain it goes to. That never changes: it is read without a lock."""

    id: UUID
    agency_id: UUID
    client_id: UUID | None
    portal_login_id: UUID | None
    staff_user_id: UUID | None
    mail: MailName
    domain: str = ""

    @property
    def subject(self) -> Subject:
        """Whom its events are about."""
        return Subject(client_id=self.client_id, portal_login_id=self.portal_login_id, staff_user_id=self.staff_user_id)


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that is ours until ``lease_until``, and its attempt ``number``.

    ``wordings`` is what the agency words itself in this mail, by language.
    ``spent`` counts the earlier attempts that used up one of its tries, ``unknown`` those of unknown outcome;
    ``refused_before`` says that this number was used before, while the channel was refused; ``channel_refused`` that
    the channel has accepted nothing since it was refused.
    """

    delivery: Known
    number: int
    recipient: str
    context: dict[str, Any]
    sealed_secret: bytes = field(repr=False)
    sealed_for: str
    message_id: str
    expires_at: datetime
    lease_until: datetime
    agency_name: str
    sender: str | None
    time_zone: str
    locale: str
    spent: int
    unknown: int
    refused_before: bool
    channel_refused: bool
    wordings: Mapping[str, Sequence[str]] | None

    @property
    def language(self) -> str:
        """The letter's."""
        return chosen(self.context.get("language"), self.locale)

    @property
    def wording(self) -> Wording:
        """What the agency words itself in it by now."""
        own = (self.wordings or {}).get(self.language)
        return Wording(*own) if own else NO_WORDING


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a delivery that could not be sent, after how many attempts."""

    state: Literal["failed", "expired", "cancelled"]
    attempts: int


async def find(conn: Connection, delivery_id: UUID) -> Known | None:
    """The delivery of this id."""
    row = await conn.fetchrow(SQL["find"], delivery_id)
    return Known(**row) if row else None


async def claim(
    conn: Connection, known: Known, *, now: datetime, due: datetime, lease_until: datetime, tries: int
) -> Claim | None:
    """Take a delivery that is open, due at ``due``, free, wanted by its agency, not expired and has some of its
    ``tries`` left; count the attempt."""
    row = await conn.fetchrow(SQL["claim"], known.id, now, due, lease_until, tries)
    return Claim(delivery=known, lease_until=lease_until, **row) if row else None


async def keep(conn: Connection, claimed: Claim, *, lease_until: datetime, message_id: str) -> bool:
    """Renew the lease for handing over, and fix the Message-ID; false when the delivery is no longer ours or open."""
    return await conn.fetchval(SQL["keep"], claimed.delivery.id, claimed.number, lease_until, message_id) is not None


async def end_attempt(
    conn: Connection, claimed: Claim, *, now: datetime, outcome: str, code: int | None, reply: str
) -> None:
    """Write down how the attempt ended."""
    await conn.execute(SQL["end_attempt"], claimed.delivery.id, claimed.number, now, outcome, code, reply)


async def finish(conn: Connection, claimed: Claim, state: Literal["accepted", "failed"], *, now: datetime) -> bool:
    """End the delivery and wipe its secret; false when somebody else has ended it, or (not for ``accepted``) has it."""
    whoever = state == "accepted"
    return await conn.fetchval(SQL["finish"], claimed.delivery.id, state, now, claimed.number, whoever) is not None


async def requeue(conn: Connection, claimed: Claim, *, next_attempt_at: datetime, attempts: int) -> bool:
    """Put it back; false when it was ended meanwhile, or is somebody else's."""
    found = await conn.fetchval(SQL["requeue"], claimed.delivery.id, claimed.number, next_attempt_at, attempts)
    return found is not None


async def end_unsendable(conn: Connection, delivery_id: UUID, *, now: datetime, tries: int) -> Ended | None:
    """End a free delivery when its secret has expired, all its ``tries`` are spent, or it is for the owner of a portal
    login of an agency without a contract."""
    row = await conn.fetchrow(SQL["end_unsendable"], delivery_id, now, tries)
    if row is None:
        return None
    await conn.execute(SQL["close_interrupted"], delivery_id, row["attempts"], now)
    return Ended(**row)


async def agencies_with_expired(conn: Connection, *, now: datetime) -> list[UUID]:
    """Agencies that have expired deliveries in the queue."""
    return [r["agency_id"] for r in await conn.fetch(SQL["agencies_with_expired"], now)]


async def end_expired(conn: Connection, agency_id: UUID, *, now: datetime, limit: int) -> list[Known]:
    """End an agency's expired deliveries and wipe their secrets."""
    return [Known(**r) for r in await conn.fetch(SQL["end_expired"], agency_id, now, limit)]


async def due(
    conn: Connection, *, now: datetime, unheard: datetime, enqueued_before: datetime, limit: int
) -> Sequence[tuple[UUID, MailName]]:
    """Deliveries that wait for a task, the urgent ones first: free and due, those never tried older than ``unheard``,
    and with no task put by a sweep after ``enqueued_before``."""
    rows = await conn.fetch(SQL["due"], now, unheard, enqueued_before, limit, list(LATER))
    return [(r["id"], r["mail"]) for r in rows]


async def mark_enqueued(conn: Connection, delivery_ids: Sequence[UUID], *, now: datetime) -> None:
    """Remember that a sweep put tasks for these."""
    await conn.execute(SQL["mark_enqueued"], list(delivery_ids), now)


async def put_off(conn: Connection, delivery_id: UUID, *, now: datetime, until: datetime) -> None:
    """Have a delivery wait that nobody has tried."""
    await conn.execute(SQL["put_off"], delivery_id, now, until)


async def waiting(conn: Connection, *, now: datetime) -> tuple[int, datetime | None]:
    """How many deliveries are due, and since when the first of them is."""
    row = await conn.fetchrow(SQL["waiting"], now)
    return (row["count"], row["oldest"]) if row else (0, None)


async def close_interrupted(conn: Connection, delivery_id: UUID, number: int, *, now: datetime) -> None:
    """Write down of attempts up to ``number`` that their worker ended before they did."""
    await conn.execute(SQL["close_interrupted"], delivery_id, number, now)
