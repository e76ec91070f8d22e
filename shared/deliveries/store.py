"""The queue of credential e-mails, as the publishers see it: put in, take out, look up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from shared.db import Connection, named_queries
from shared.deliveries.sealing import Sealer
from shared.events import Subject
from shared.events.delivery_catalogue import DeliveryCancelled, DeliveryQueued, DeliverySuperseded
from shared.outbox import Transaction

SQL = named_queries(__package__, "sql/deliveries.sql")

MailName = Literal[
    "temporary_password",
    "password_reset",
    "password_changed",
    "username",
    "email_changed",
    "second_factor_changed",
    "second_factor_reset",
    "staff_invitation",
    "staff_password_reset",
    "staff_password_changed",
    "staff_email_changed",
    "staff_second_factor_changed",
    "passkey_changed",
    "staff_passkey_changed",
    "sign_in_refused",
    "staff_sign_in_refused",
    "invitation_link",
    "new_device",
    "login_inactive",
    "new_email",
    "email_test",
    "wording_test",
]
NOTICES: Final[tuple[MailName, ...]] = (
    "password_changed",
    "username",
    "email_changed",
    "second_factor_changed",
    "second_factor_reset",
    "staff_password_changed",
    "staff_email_changed",
    "staff_second_factor_changed",
    "passkey_changed",
    "staff_passkey_changed",
    "sign_in_refused",
    "staff_sign_in_refused",
    "new_device",
    "login_inactive",
    "new_email",
    "email_test",
    "wording_test",
)
"""They tell what has happened, so nothing that happens later takes them back."""
LATER: Final = tuple(mail for mail in NOTICES if mail not in ("username", "email_test"))
"""What is good to know. Everything else somebody waits for in order to get in, so it goes out first."""
DeliveryState = Literal["queued", "sending", "accepted", "failed", "expired", "superseded", "cancelled"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to hand an e-mail over, with what the mail server said."""

    number: int
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    reply_code: int | None
    reply: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One e-mail on its way. Its secret is not in here: publishers can't read it back."""

    id: UUID
    mail: MailName
    recipient: str
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime
    expires_at: datetime
    created_at: datetime
    finished_at: datetime | None
    tries: tuple[Attempt, ...] = ()


async def queue(
    tx: Transaction,
    *,
    sealer: Sealer,
    mail: MailName,
    owner: Subject,
    recipient: str,
    context: dict[str, Any],
    secret: str,
    expires_at: datetime,
) -> UUID:
    """Put an e-mail into the queue; a credential takes the place of any other that waits for the same person.

    ``owner`` is a portal login with its client, or a staff user. ``context`` is what the template needs and is no
    secret; ``secret`` is sealed here and never stored in clear.
    """
    if mail not in NOTICES:
        await end_open(tx, owner, state="superseded")
    delivery_id = tx.new_id()
    await tx.conn.execute(
        SQL["insert"],
        delivery_id,
        tx.agency_id,
        owner.portal_login_id,
        owner.client_id,
        owner.staff_user_id,
        mail,
        recipient,
        context,
        sealer.seal(secret),
        sealer.sealed_for,
        tx.now,
        expires_at,
        # Fixed for all attempts, so that a mail system can drop a twin. The domain part is the notifier's to add.
        str(delivery_id),
    )
    await tx.append(DeliveryQueued(delivery_id=delivery_id, mail=mail), owner)
    await tx.enqueue_delivery(delivery_id, urgent=mail not in LATER)
    return delivery_id


async def end_open(
    tx: Transaction, owner: Subject, *, state: Literal["superseded", "cancelled"], reason: str = ""
) -> list[MailName]:
    """Take a person's credentials out of the queue and wipe them; answers which mails those were.

    Notices stay, but for the one to a new address, when nothing is to go there any more.
    """
    person_id = owner.portal_login_id or owner.staff_user_id
    spared = [mail for mail in NOTICES if mail != "new_email" or state == "superseded"]
    ended = await tx.conn.fetch(SQL["end_open"], person_id, state, tx.now, spared)
    for row in ended:
        if state == "superseded":
            await tx.append(DeliverySuperseded(delivery_id=row["id"], mail=row["mail"]), owner)
        else:
            await tx.append(DeliveryCancelled(delivery_id=row["id"], mail=row["mail"], reason=reason), owner)
    return [row["mail"] for row in ended]


async def open_mail(conn: Connection, person_id: UUID) -> MailName | None:
    """Which credential of a portal login or a staff user is on its way right now."""
    found: MailName | None = await conn.fetchval(SQL["open_mail"], person_id, list(NOTICES))
    return found


async def last_recipient(conn: Connection, portal_login_id: UUID) -> str | None:
    """Where a login's last e-mail went, or is on its way to; those taken back or given up do not count."""
    found: str | None = await conn.fetchval(SQL["last_recipient"], portal_login_id)
    return found


async def sent_since(conn: Connection, person_id: UUID, mail: MailName, since: datetime) -> tuple[datetime | None, int]:
    """When a login's latest e-mail of this kind was asked for, if it was since then, and how many there were."""
    row = await conn.fetchrow(SQL["sent_since"], person_id, mail, since)
    return (row["latest"], row["count"]) if row else (None, 0)


async def of_person(conn: Connection, person_id: UUID, *, before: UUID | None, limit: int) -> list[Delivery]:
    """The deliveries of a portal login or a staff user with their attempts, newest first.

    ``before`` is the last id of the page before.
    """
    return await with_attempts(conn, [dict(r) for r in await conn.fetch(SQL["of_person"], person_id, before, limit)])


async def with_attempts(conn: Connection, rows: Sequence[Mapping[str, Any]]) -> list[Delivery]:
    """Rows as a query for deliveries gives them, each with its attempts."""
    tries: dict[UUID, list[Attempt]] = {}
    for r in await conn.fetch(SQL["attempts_of"], [row["id"] for row in rows]):
        attempt = {k: v for k, v in r.items() if k != "delivery_id"}
        tries.setdefault(r["delivery_id"], []).append(Attempt(**attempt))
    return [Delivery(**row, tries=tuple(tries.get(row["id"], ()))) for row in rows]


async def latest_of(conn: Connection, person_id: UUID, mail: MailName) -> Delivery | None:
    """The newest e-mail of this kind to a portal login or a staff user, with its attempts."""
    row = await conn.fetchrow(SQL["latest_of"], person_id, mail)
    if row is None:
        return None
    tries = [
        Attempt(**{k: v for k, v in r.items() if k != "delivery_id"})
        for r in await conn.fetch(SQL["attempts_of"], [row["id"]])
    ]
    return Delivery(**row, tries=tuple(tries))


async def supersede(tx: Transaction, owner: Subject, mail: MailName) -> None:
    """Take a person's e-mails of one kind out of the queue, for a newer one; others stay."""
    person_id = owner.portal_login_id or owner.staff_user_id
    for row in await tx.conn.fetch(SQL["supersede"], person_id, mail, tx.now):
        await tx.append(DeliverySuperseded(delivery_id=row["id"], mail=row["mail"]), owner)
