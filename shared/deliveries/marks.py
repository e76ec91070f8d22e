"""What became of an e-mail once it was sent: marks that whoever lets its reader in puts on it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.db import Connection, named_queries
from shared.deliveries import bounces, store
from shared.deliveries.bounces import Returned
from shared.deliveries.store import Delivery, MailName
from shared.outbox import Transaction

SQL = named_queries(__package__, "sql/marks.sql")

MarkStep = Literal["opened", "password_chosen"]


@dataclass(frozen=True, slots=True)
class Mark:
    """The first time that something was done with what an e-mail carried."""

    step: MarkStep
    at: datetime


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What is known of an e-mail after it left the queue.

    ``followed``: marks are kept of it. ``succeeded_at``: since when something newer takes the place of what it carried.
    """

    followed: bool
    succeeded_at: datetime | None = None
    marks: tuple[Mark, ...] = ()
    came_back: tuple[Returned, ...] = ()

    def marked(self, step: MarkStep) -> bool:
        """Whether this was done."""
        return any(mark.step == step for mark in self.marks)


async def mark(tx: Transaction, person_id: UUID, mails: Sequence[MailName], step: MarkStep) -> None:
    """Note on a person's newest e-mail of these kinds what was done with it just now; once."""
    await tx.conn.execute(SQL["mark"], person_id, list(mails), step, tx.now)


async def aftermath_of(conn: Connection, deliveries: Sequence[Delivery]) -> dict[UUID, Aftermath]:
    """What is known of each of these e-mails."""
    ids = [delivery.id for delivery in deliveries]
    marks: defaultdict[UUID, list[Mark]] = defaultdict(list)
    for row in await conn.fetch(SQL["marks_of"], ids):
        marks[row["delivery_id"]].append(Mark(row["step"], row["at"]))
    returned = await bounces.of_deliveries(conn, ids)
    return {
        row["id"]: Aftermath(
            row["followed"], row["succeeded_at"], tuple(marks[row["id"]]), tuple(returned.get(row["id"], ()))
        )
        for row in await conn.fetch(SQL["succeeded_of"], ids)
    }


async def newest_of_logins(conn: Connection, login_ids: Sequence[UUID], limit: int) -> dict[UUID, list[Delivery]]:
    """The newest e-mails of each of these portal logins with their attempts, newest first."""
    rows = [dict(row) for row in await conn.fetch(SQL["newest_of_logins"], list(login_ids), limit)]
    owners = [row.pop("portal_login_id") for row in rows]
    found: dict[UUID, list[Delivery]] = {}
    for owner, delivery in zip(owners, await store.with_attempts(conn, rows), strict=True):
        found.setdefault(owner, []).append(delivery)
    return found
