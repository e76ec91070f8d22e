"""E-mails that came back: written down once, and no more is sent to an address at which nothing arrives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import asyncpg

from shared import actors
from shared.db import Connection, named_queries
from shared.deliveries.bounce_reasons import BounceKind, in_words
from shared.errors import DomainError
from shared.events import Subject
from shared.events.delivery_catalogue import DeliveryBounced, DeliveryFailed
from shared.outbox import Transaction, Work

SQL = named_queries(__package__, "sql/bounces.sql")

BOUNCED: Final = "bounced"
"""The outcome of a delivery that ended because its address is flagged."""
LONGEST_REPLY: Final = 500

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_LINK = re.compile(r"https?:\S+", re.IGNORECASE)

Source = Literal["report", "provider", "server"]
Taken = Literal["recorded", "known", "not_ours"]
"""What became of a report: something new, something that was known, or nothing that we sent."""


class EmailComesBack(DomainError):
    """E-mails to this address come back. Correct the address first."""

    field = "email"


@dataclass(frozen=True, slots=True)
class Sent:
    """A delivery that may have come back. Reports count against an address when it was queued after the last lift."""

    id: UUID
    mail: str
    recipient: str
    queued_at: datetime
    subject: Subject


@dataclass(frozen=True, slots=True)
class Bounce:
    """What somebody says of a delivery. ``code`` is of RFC 3463; ``reply`` is what the mail server said."""

    kind: BounceKind
    source: Source
    code: str | None
    reply: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Flag:
    """An address that nothing is sent to, since when, and why."""

    address: str
    kind: str
    code: str | None
    reply: str
    since: datetime

    @property
    def reason(self) -> str:
        """In plain words."""
        return in_words(self.kind, self.code)


@dataclass(frozen=True, slots=True)
class Returned:
    """What came back of a delivery, as it was written down."""

    delivery_id: UUID
    kind: str
    code: str | None
    reply: str
    at: datetime

    @property
    def reason(self) -> str:
        """In plain words."""
        return in_words(self.kind, self.code)


async def take_in(work: Work, *, part: str, delivery_id: UUID, recipient: str | None, bounce: Bounce) -> Taken:
    """Write down what a report says of a delivery of any agency; ``part`` of the system acts.

    With a ``recipient`` it has to be the delivery's: then a report without the delivery's own return address counts.
    """
    async with work.pool.transaction(None) as conn:
        agency_id = await conn.fetchval(SQL["agency_of"], delivery_id)
    if agency_id is None:
        return "not_ours"
    async with work.transaction(actors.system(agency_id, part)) as tx:
        sent = await _sent(tx.conn, delivery_id)
        if sent is None or (recipient is not None and sent.recipient.lower() != recipient.lower()):
            return "not_ours"
        return "recorded" if await record(tx, sent, bounce) else "known"


async def _sent(conn: Connection, delivery_id: UUID) -> Sent | None:
    row = await conn.fetchrow(SQL["sent"], delivery_id)
    if row is None:
        return None
    return Sent(row["id"], row["mail"], row["recipient"], row["created_at"], _subject(row))


def _subject(row: asyncpg.Record) -> Subject:
    return Subject(
        client_id=row["client_id"], portal_login_id=row["portal_login_id"], staff_user_id=row["staff_user_id"]
    )


async def record(tx: Transaction, sent: Sent, bounce: Bounce) -> bool:
    """Write it down; false when the same was known. After a hard one or a complaint nothing more is sent there."""
    reply, at = _clean(bounce.reply), min(bounce.at, tx.now)
    new = await tx.conn.fetchval(
        SQL["insert"],
        tx.new_id(),
        tx.agency_id,
        sent.id,
        bounce.kind,
        bounce.source,
        bounce.code,
        reply,
        at,
        tx.now,
    )
    if new is None:
        return False
    await tx.append(
        DeliveryBounced(delivery_id=sent.id, mail=sent.mail, kind=bounce.kind, code=bounce.code), sent.subject
    )
    if bounce.kind in ("hard", "complaint"):
        flagged = await tx.conn.fetchval(
            SQL["flag"], tx.agency_id, sent.recipient, bounce.kind, bounce.code, reply, at, sent.queued_at
        )
        if flagged is not None:
            await _end_waiting(tx, sent.recipient)
    return True


def _clean(reply: str) -> str:
    """One line that can be stored and shown. Filters quote what they did not like: our links hold codes."""
    text = _LINK.sub("(link)", reply.encode("utf-8", "replace").decode())
    return " ".join(_UNPRINTABLE.sub(" ", text).split())[:LONGEST_REPLY]


async def _end_waiting(tx: Transaction, address: str) -> None:
    rows = await tx.conn.fetch(SQL["end_waiting"], tx.agency_id, address, tx.now)
    await tx.append_all(
        [
            (
                DeliveryFailed(delivery_id=row["id"], mail=row["mail"], attempt=row["attempts"], outcome=BOUNCED),
                _subject(row),
            )
            for row in rows
        ]
    )


async def flags(conn: Connection, agency_id: UUID, addresses: Iterable[str]) -> Mapping[str, Flag]:
    """Those of the addresses that nothing is sent to, by the address in small letters."""
    asked = sorted({address.lower() for address in addresses})
    if not asked:
        return {}
    return {row["address"]: Flag(**row) for row in await conn.fetch(SQL["flags"], agency_id, asked)}


async def require_works(tx: Transaction, address: str) -> None:
    """Raises EmailComesBack when nothing is sent to the address."""
    if await flags(tx.conn, tx.agency_id, [address]):
        raise EmailComesBack


async def lift(tx: Transaction, address: str) -> bool:
    """Send to the address again; false when it was not flagged."""
    return await tx.conn.fetchval(SQL["lift"], tx.agency_id, address, tx.now) is not None


async def of_deliveries(conn: Connection, delivery_ids: Sequence[UUID]) -> Mapping[UUID, Sequence[Returned]]:
    """What came back, by delivery; those of which nothing did are left out."""
    found: dict[UUID, list[Returned]] = {}
    for row in await conn.fetch(SQL["of_deliveries"], list(delivery_ids)):
        found.setdefault(row["delivery_id"], []).append(Returned(**row))
    return found


async def latest_of(conn: Connection, login_ids: Sequence[UUID]) -> Mapping[UUID, Returned]:
    """Of logins whose latest e-mail came back, and the next one may arrive: what was said."""
    found = {}
    for row in await conn.fetch(SQL["latest_of"], list(login_ids)):
        told = {name: value for name, value in row.items() if name != "portal_login_id"}
        found[row["portal_login_id"]] = Returned(**told)
    return found
