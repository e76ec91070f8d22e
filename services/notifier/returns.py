"""Addresses at which nothing arrives: what is queued for them ends unsent, and refusals tell of new ones."""

from __future__ import annotations

from services.notifier import store
from services.notifier.store import Claim, Known
from shared.db import named_queries
from shared.deliveries.bounce_reasons import code_in, kind_of
from shared.deliveries.bounces import BOUNCED, Bounce, Sent, record
from shared.events.delivery_catalogue import DeliveryFailed
from shared.outbox import Transaction

SQL = named_queries(__package__, "sql/returns.sql")


async def end_bounced(tx: Transaction, known: Known) -> bool:
    """End the delivery, unless a worker has it, when its address is flagged; whether it was."""
    attempts: int | None = await tx.conn.fetchval(SQL["end_bounced"], known.id, tx.now)
    if attempts is None:
        return False
    await store.close_interrupted(tx.conn, known.id, attempts, now=tx.now)
    await tx.append(
        DeliveryFailed(delivery_id=known.id, mail=known.mail, attempt=attempts, outcome=BOUNCED), known.subject
    )
    return True


async def record_refusal(tx: Transaction, claim: Claim, *, code: int | None, reply: str, about_recipient: bool) -> None:
    """Flag the address when the mail server's refusal says that nothing will ever arrive there."""
    if code is None:
        return
    status = code_in(reply)
    kind = kind_of(status, reply, reply_code=code, about_recipient=about_recipient)
    if kind != "hard":
        # About the mail or about us: that the delivery failed says all of it.
        return
    known = claim.delivery
    # It was said just now, so it counts whatever staff said of the address before.
    sent = Sent(known.id, known.mail, claim.recipient, tx.now, known.subject)
    await record(tx, sent, Bounce(kind, "server", status, reply, tx.now))
