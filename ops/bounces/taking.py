"""One round through a mailbox for returned e-mails: read, find the delivery, write down, put away."""

from __future__ import annotations

import asyncio
import imaplib
from collections import Counter
from collections.abc import Callable
from typing import Final, ParamSpec, TypeAlias, TypeVar
from uuid import UUID

from ops.bounces.mailboxes import HANDLED, UNCLEAR, Mailbox
from ops.bounces.reports import Other, Report, read
from ops.problems import Problem
from shared.deliveries import bounces
from shared.deliveries.bounces import Bounce, Taken
from shared.deliveries.message_ids import delivery_in
from shared.deliveries.return_paths import ReturnTokens
from shared.outbox import Work

PART: Final = "returned mail"
"""How the system is named as the actor of the events."""

P = ParamSpec("P")
T = TypeVar("T")

Result: TypeAlias = Taken | Other
_DONE: Final = frozenset({"recorded", "known", "automatic"})


async def take_all(work: Work, mailbox: Mailbox, tokens: ReturnTokens | None) -> Counter[str]:
    """Everything that waits; how many of each result. Raises Problem, and what the database driver raises.

    A mail is put away after the commit: a round that ends early reads it again, which says nothing twice.
    """
    counts: Counter[str] = Counter()
    try:
        await _of(mailbox.open)
        for name in await _of(mailbox.waiting):
            raw = await _of(mailbox.read, name)
            result = "unclear" if raw is None else await take(work, raw, tokens)
            await _of(mailbox.put_away, name, HANDLED if result in _DONE else UNCLEAR)
            counts[result] += 1
    finally:
        await _of(mailbox.close)
    return counts


async def _of(step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """A step of the mailbox in a thread. Raises Problem, never with what a server said."""
    try:
        return await asyncio.to_thread(step, *args, **kwargs)
    except (OSError, imaplib.IMAP4.error) as error:
        raise Problem(f"The mailbox can't be read: {type(error).__name__}.") from None


async def take(work: Work, raw: bytes, tokens: ReturnTokens | None) -> Result:
    """One mail."""
    # In a thread: what strangers write may take a while to be taken apart.
    report = await asyncio.to_thread(read, raw)
    if not isinstance(report, Report):
        return report
    bounce = Bounce(report.kind, "report", report.code, report.reply, work.clock())
    for delivery_id, recipient in _candidates(report, tokens):
        taken = await bounces.take_in(work, part=PART, delivery_id=delivery_id, recipient=recipient, bounce=bounce)
        if taken != "not_ours":
            return taken
    return "not_ours"


def _candidates(report: Report, tokens: ReturnTokens | None) -> list[tuple[UUID, str | None]]:
    """Deliveries that it may be about, each with the recipient that it has to have.

    A token proves that the report is an answer to our mail, wherever that was forwarded to. A Message-ID alone counts
    together with the recipient, who had to be told the one, and whoever reports has to know the other.
    """
    if tokens is not None and (proven := tokens.delivery_of(report.came_to)) is not None:
        return [(proven, None)]
    named = delivery_in(report.message_id or "")
    return [(named, recipient) for recipient in report.recipients[:5]] if named is not None else []
