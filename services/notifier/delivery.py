"""The use case: one delivery is taken, sent, and what happened is written down. Doing it twice sends one mail."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Literal
from uuid import UUID

import structlog

from services.notifier import mailer, returns, store
from services.notifier.channel import Pauses
from services.notifier.dkim_signing import DkimSigner
from services.notifier.headers import UnsafeHeader, safe_address
from services.notifier.letters import Heading, on_the_wire
from services.notifier.mailer import Answer, Mail
from services.notifier.servers import Channel, PasswordUnreadable, Servers
from services.notifier.slots import Slots
from services.notifier.store import Claim, Known
from services.notifier.writing import written
from shared import actors
from shared.db import Unavailable
from shared.deliveries.bounces import BOUNCED
from shared.deliveries.return_paths import ReturnPaths
from shared.deliveries.sealing import CannotOpen, Opener
from shared.events import Payload
from shared.events.delivery_catalogue import (
    DeliveryAccepted,
    DeliveryCancelled,
    DeliveryDeferred,
    DeliveryExpired,
    DeliveryFailed,
)
from shared.letters import Letters
from shared.logging import REDACTED
from shared.outbox import Transaction, Work

log = structlog.get_logger(__name__)

PART: Final = "notifier"
"""How the notifier is named as the actor of its events."""

TRIES: Final = 8
"""Attempts in which the server had its say about the mail; a server that can't be reached uses up none of them."""
UNKNOWN_TRIES: Final = 2
"""Attempts of unknown outcome: each may have been a mail."""

# Between the clocks of the publisher, who says when a delivery is due, and ours.
_CLOCKS_DIFFER: Final = timedelta(seconds=5)
# Twice that at most. The sweep, which puts the next task, looks as often.
_BUSY: Final = timedelta(seconds=10)
_FIRST_BACKOFF: Final = timedelta(seconds=30)
_LONGEST_BACKOFF: Final = timedelta(hours=1)
_FIRST_PAUSE: Final = 0.25
_LONGEST_PAUSE: Final = 5.0

_UNREADABLE: Final = "The password of the mail server cannot be read. Enter it again."
_NOT_THEIRS: Final = "The sender address belongs to whoever runs this system. Choose one of your own."

Outcome = mailer.Outcome | Literal["error"]
"""As the mailer names them, or ``error``: a defect of ours."""
_USES_UP_A_TRY: Final = frozenset({"deferred", "unknown", "error"})


@dataclass(frozen=True, slots=True)
class Attempt:
    """How an attempt ended: the mail server's answer, or what kept us from asking for one."""

    outcome: Outcome
    code: int | None = None
    reply: str = ""
    about_sender: bool = False
    # Nothing that could change by waiting.
    final: bool = False
    about_recipient: bool = False

    @classmethod
    def of(cls, answer: Answer) -> Attempt:
        """The mail server's answer."""
        return cls(
            answer.outcome,
            answer.code,
            answer.reply,
            answer.about_sender,
            final=answer.outcome == "refused",
            about_recipient=answer.about_recipient,
        )


@dataclass(frozen=True, slots=True, repr=False)
class _Prepared:
    mail: Mail
    message_id: str
    secret: str


class Courier:
    """Delivers. One for each process; safe for any number of deliveries at once on one event loop."""

    def __init__(
        self,
        work: Work,
        *,
        servers: Servers,
        letters: Letters,
        opener: Opener,
        sender: str,
        pauses: Pauses,
        lease: timedelta,
        jitter: Callable[[], float],
        slots: Slots,
        observe: Callable[[str, str], None] = lambda mail, outcome: None,
        dkim: DkimSigner | None = None,
        return_paths: ReturnPaths | None = None,
    ) -> None:
        """``sender`` writes for agencies that name no sender of their own; ``lease``: how long a worker may be silent.

        ``jitter`` gives numbers from 0 to 1; ``observe`` is told of each attempt's mail and outcome. Without
        ``return_paths`` mails go back to their sender.
        """
        self._work = work
        self._servers = servers
        self._letters = letters
        self._opener = opener
        self._sender = sender
        self._pauses = pauses
        self._lease = lease
        self._jitter = jitter
        self._slots = slots
        self._observe = observe
        self._dkim = dkim
        self._return_paths = return_paths

    async def deliver(self, delivery_id: UUID) -> None:
        """Send the e-mail of this id, if it is to be sent now. Raises what the database driver raises."""
        async with self._work.pool.statement() as conn:
            known = await store.find(conn, delivery_id)
            channel = await self._servers.channel_of(conn, known.agency_id) if known else None
        if known is None or channel is None:
            log.warning("unknown delivery dropped", delivery_id=delivery_id)
            return
        async with self._slots.slot(known.domain) as free:
            if free:
                await self._try(known, channel)
            else:
                await self._put_off(known)

    async def _put_off(self, known: Known) -> None:
        log.info("delivery waits for its domain", delivery_id=known.id, mail=known.mail)
        now = self._work.clock()
        async with self._work.pool.statement() as conn:
            await store.put_off(conn, known.id, now=now, until=now + _BUSY * (1 + self._jitter()))

    async def _try(self, known: Known, channel: Channel) -> None:
        claim = await self._claim(known)
        if claim is None:
            return
        attempt = await self._attempt(claim, channel)
        log.info(
            "delivery attempt",
            delivery_id=known.id,
            mail=known.mail,
            attempt=claim.number,
            outcome=attempt.outcome,
            code=attempt.code,
        )
        self._observe(known.mail, attempt.outcome)
        await self._record(claim, attempt)

    async def _claim(self, known: Known) -> Claim | None:
        now = self._work.clock()
        async with self._work.pool.statement() as conn:
            claim = await store.claim(
                conn, known, now=now, due=now + _CLOCKS_DIFFER, lease_until=now + self._lease, tries=TRIES
            )
        if claim is None:
            async with self._work.transaction(actors.system(known.agency_id, PART)) as tx:
                if await returns.end_bounced(tx, known):
                    log.info("delivery ended unsent", delivery_id=known.id, state="failed", reason=BOUNCED)
                    return None
                ended = await store.end_unsendable(tx.conn, known.id, now=now, tries=TRIES)
                if ended is not None:
                    log.info("delivery ended unsent", delivery_id=known.id, state=ended.state)
                    await tx.append(_unsendable(known, ended), known.subject)
        return claim

    async def _attempt(self, claim: Claim, channel: Channel) -> Attempt:
        try:
            safe_address(claim.recipient)
        except UnsafeHeader:
            log.error("the recipient's address is not safe", delivery_id=claim.delivery.id)
            return Attempt("refused", None, "The e-mail address cannot stand in a mail header.", final=True)
        if channel.settings.sender is not None and not self._servers.may_send_as(channel.settings.sender):
            return Attempt("channel_refused", None, _NOT_THEIRS, about_sender=True)
        try:
            prepared = self._prepare(claim, channel)
            mailer = await self._servers.mailer_of(channel)
            answer = await mailer.send(prepared.mail, still_wanted=lambda: self._keep(claim, prepared.message_id))
        except PasswordUnreadable:
            log.error("the password of an agency's mail server cannot be read", agency_id=channel.agency_id)
            return Attempt("channel_refused", None, _UNREADABLE, about_sender=True)
        except CannotOpen:
            return self._cannot_open(claim)
        except Exception as error:  # noqa: BLE001 - a defect must not leave the delivery leased and its attempt open
            # Frames only: an exception's message may quote what it failed on, and a secret passes through here.
            where = "".join(traceback.format_tb(error.__traceback__))
            log.error("delivery attempt failed", delivery_id=claim.delivery.id, error=type(error).__name__, where=where)
            return Attempt("error", None, "The notifier could not send it.")
        if channel.own_server:
            # Whatever its server has against us, others have another one.
            answer = replace(answer, about_sender=answer.outcome == "channel_refused")
        if prepared.secret:
            # Some filters quote what they did not like.
            answer = replace(answer, reply=answer.reply.replace(prepared.secret, REDACTED))
        return Attempt.of(answer)

    def _prepare(self, claim: Claim, channel: Channel) -> _Prepared:
        secret = self._opener.open(claim.sealed_secret)
        sender = self._sender_of(claim, channel)
        # Fixed by the first attempt that gets as far as the content, whatever the agency's sender is later.
        domain = sender.rpartition("@")[2]
        message_id = claim.message_id if "@" in claim.message_id else f"<{claim.delivery.id}@{domain}>"
        letter = written(self._letters, claim, secret)
        heading = Heading(
            sender=sender,
            sender_name=channel.settings.sender_name or claim.agency_name,
            recipient=claim.recipient,
            message_id=message_id,
            written_at=self._work.clock(),
            reply_to=channel.settings.reply_to,
        )
        content = on_the_wire(letter, heading)
        if self._dkim is not None:
            content = self._dkim.sign(sender, content, heading.written_at)
        return _Prepared(Mail(self._goes_back_to(claim, channel, sender), claim.recipient, content), message_id, secret)

    def _goes_back_to(self, claim: Claim, channel: Channel, sender: str) -> str:
        """An agency's own server takes mails from the agency's own addresses only: there they go back to the sender."""
        if self._return_paths is None or channel.own_server:
            return sender
        return self._return_paths.of(claim.delivery.id)

    def _sender_of(self, claim: Claim, channel: Channel) -> str:
        """The address that the agency's admins chose, or operators for it, or the system's."""
        chosen = channel.settings.sender or claim.sender
        if chosen is None:
            return self._sender
        try:
            return safe_address(chosen)
        except UnsafeHeader:
            log.warning("an agency's sender address is not safe", agency_id=claim.delivery.agency_id)
            return self._sender

    def _cannot_open(self, claim: Claim) -> Attempt:
        damaged = self._opener.opens(claim.sealed_for)
        log.error("sealed content cannot be opened", delivery_id=claim.delivery.id, damaged=damaged)
        if damaged:
            return Attempt("error", None, "What was sealed for the notifier is damaged.", final=True)
        # Sealed for another key: whoever runs this may still give us the right one.
        return Attempt("unreachable", None, "What was sealed cannot be opened with the notifier's present keys.")

    async def _keep(self, claim: Claim, message_id: str) -> bool:
        async with self._work.pool.statement() as conn:
            lease_until = self._work.clock() + self._lease
            return await store.keep(conn, claim, lease_until=lease_until, message_id=message_id)

    async def _record(self, claim: Claim, attempt: Attempt) -> None:
        """Write it down. The mail may have been sent, so a database that is away for a moment is waited for."""
        pause, waited = _FIRST_PAUSE, 0.0
        while True:
            try:
                async with self._work.transaction(actors.system(claim.delivery.agency_id, PART)) as tx:
                    await self._write_down(tx, claim, attempt)
                return
            except Unavailable:
                if waited + pause >= self._lease.total_seconds():
                    raise
                await asyncio.sleep(pause)
                waited += pause
                pause = min(pause * 2, _LONGEST_PAUSE)

    async def _write_down(self, tx: Transaction, claim: Claim, attempt: Attempt) -> None:
        known, conn, now = claim.delivery, tx.conn, tx.now
        await store.end_attempt(conn, claim, now=now, outcome=attempt.outcome, code=attempt.code, reply=attempt.reply)
        if attempt.outcome == "withdrawn":
            return
        payload: Payload | None
        if attempt.outcome == "accepted":
            changed = await store.finish(conn, claim, "accepted", now=now)
            if claim.channel_refused:
                await self._pauses.end(conn, agency_id=known.agency_id)
            payload = DeliveryAccepted(delivery_id=known.id, mail=known.mail, attempt=claim.number)
        elif attempt.final or _out_of_tries(claim, attempt):
            changed = await store.finish(conn, claim, "failed", now=now)
            payload = DeliveryFailed(
                delivery_id=known.id, mail=known.mail, attempt=claim.number, outcome=attempt.outcome
            )
        else:
            changed = await self._try_later(tx, claim, attempt)
            payload = DeliveryDeferred(
                delivery_id=known.id, mail=known.mail, attempt=claim.number, outcome=attempt.outcome
            )
            if attempt.outcome == "channel_refused" and claim.refused_before:
                # Said once; a refusal of hours would fill the log with one event a minute.
                payload = None
        if changed and payload is not None:
            await tx.append(payload, known.subject)
        if attempt.outcome == "refused":
            await returns.record_refusal(
                tx, claim, code=attempt.code, reply=attempt.reply, about_recipient=attempt.about_recipient
            )

    async def _try_later(self, tx: Transaction, claim: Claim, attempt: Attempt) -> bool:
        if attempt.outcome == "channel_refused":
            # The mail has nothing to do with it: the attempt's number is used again.
            agency_id = claim.delivery.agency_id if attempt.about_sender else None
            until = await self._pauses.begin(
                tx.conn, agency_id=agency_id, now=tx.now, code=attempt.code, reply=attempt.reply
            )
            log.warning("the mail server takes no mail", agency_id=agency_id, code=attempt.code, until=until)
            return await store.requeue(tx.conn, claim, next_attempt_at=until, attempts=claim.number - 1)
        next_attempt_at = tx.now + backoff(claim.number, self._jitter())
        return await store.requeue(tx.conn, claim, next_attempt_at=next_attempt_at, attempts=claim.number)


def backoff(number: int, jitter: float) -> timedelta:
    """How long to wait after attempt ``number``: full jitter, so that what failed together does not return together."""
    longest: timedelta = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2 ** min(number - 1, 10))
    return longest * jitter


def _out_of_tries(claim: Claim, attempt: Attempt) -> bool:
    if attempt.outcome == "unknown" and claim.unknown + 1 >= UNKNOWN_TRIES:
        return True
    return attempt.outcome in _USES_UP_A_TRY and claim.spent + 1 >= TRIES


def _unsendable(known: Known, ended: store.Ended) -> Payload:
    if ended.state == "cancelled":
        return DeliveryCancelled(delivery_id=known.id, mail=known.mail, reason="agency not contracted")
    if ended.state == "expired":
        return DeliveryExpired(delivery_id=known.id, mail=known.mail)
    return DeliveryFailed(delivery_id=known.id, mail=known.mail, attempt=ended.attempts, outcome="interrupted")
