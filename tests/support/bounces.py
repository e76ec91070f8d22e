"""Addresses at which nothing arrives, as reports make them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from shared.deliveries.bounce_reasons import BounceKind
from shared.deliveries.bounces import Bounce, Taken, take_in
from shared.outbox import Work


async def come_back(
    work: Work,
    delivery_id: UUID,
    *,
    at: datetime,
    kind: BounceKind = "hard",
    code: str | None = "5.1.1",
    reply: str = "550 5.1.1 User unknown",
) -> Taken:
    """A report about a delivery is taken in."""
    bounce = Bounce(kind, "report", code, reply, at)
    return await take_in(work, part="returned mail", delivery_id=delivery_id, recipient=None, bounce=bounce)
