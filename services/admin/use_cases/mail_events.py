"""What a mail provider tells of e-mails that it took from us. Its signature is its right; see api/mail_events.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import structlog

from shared.deliveries import bounces
from shared.deliveries.bounce_reasons import BounceKind, code_in, kind_of, reply_code_in
from shared.deliveries.bounces import Bounce
from shared.outbox import Work

log = structlog.get_logger(__name__)

PART: Final = "mail events"
"""How the system is named as the actor."""


@dataclass(frozen=True, slots=True)
class MailEvent:
    """One thing that happened to one e-mail. ``delivery_id`` may be None: then nothing can be found."""

    id: str
    type: Literal["bounced", "complained", "delivered"]
    delivery_id: UUID | None
    recipient: str
    bounce_class: Literal["hard", "soft"] | None
    code: str | None
    reason: str
    at: datetime


async def take(work: Work, *, events: Sequence[MailEvent]) -> None:
    """Write down what is new in them, one by one: a batch that ends early is sent again, and says nothing twice."""
    for event in events:
        if event.type == "delivered":
            # That our mail server took it is known already, and is all that the record says.
            continue
        taken = "not_ours"
        if event.delivery_id is not None:
            bounce = Bounce(_kind(event), "provider", event.code or code_in(event.reason), event.reason, event.at)
            taken = await bounces.take_in(
                work, part=PART, delivery_id=event.delivery_id, recipient=event.recipient, bounce=bounce
            )
        # Never who it was for.
        log.info("mail event", type=event.type, taken=taken, delivery_id=event.delivery_id)


def _kind(event: MailEvent) -> BounceKind:
    if event.type == "complained":
        return "complaint"
    judged = kind_of(
        event.code or code_in(event.reason),
        event.reason,
        reply_code=reply_code_in(event.reason),
        about_recipient=False,
    )
    if event.bounce_class is None:
        return judged
    if event.bounce_class == "hard" and judged == "soft":
        # Providers call a full mailbox or a rule of the other side hard as well, since they do not try again.
        return "soft"
    return event.bounce_class
