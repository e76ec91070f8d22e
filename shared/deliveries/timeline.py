"""The life of an e-mail as a list of steps, oldest first: what is stored of it, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from shared.db import Connection
from shared.deliveries.marks import Aftermath, MarkStep, aftermath_of
from shared.deliveries.replies import in_plain_words
from shared.deliveries.store import NOTICES, Attempt, Delivery, DeliveryState

StepName = Literal[
    "queued",
    "tried",
    "accepted",
    "bounced",
    "failed",
    "expired",
    "superseded",
    "cancelled",
    "opened",
    "password_chosen",
    "expired_unused",
]

_ENDS: Final[Mapping[DeliveryState, tuple[StepName, str]]] = {
    "accepted": ("accepted", "The mail server accepted the e-mail."),
    "failed": ("failed", "The e-mail could not be delivered. It is not tried again."),
    "expired": ("expired", "The e-mail was not sent in time, and is not tried again."),
    "superseded": ("superseded", "Something newer took its place before it was sent."),
    "cancelled": ("cancelled", "The e-mail was taken back before it was sent."),
}
_MARKS: Final[Mapping[MarkStep, str]] = {
    "opened": "The owner signed in with the temporary password.",
    "password_chosen": "The owner chose a password.",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened. ``reply`` is what the mail server said, in its own words."""

    at: datetime
    step: StepName
    text: str
    reply: str | None = None


def steps_of(delivery: Delivery, aftermath: Aftermath, now: datetime) -> tuple[Step, ...]:
    """Everything that is known of this e-mail at this moment, in its order."""
    # Sorting keeps the order in which they come here where two have the same time.
    return tuple(sorted(_steps(delivery, aftermath, now), key=lambda step: step.at))


def _steps(delivery: Delivery, aftermath: Aftermath, now: datetime) -> Iterator[Step]:
    yield Step(delivery.created_at, "queued", "The e-mail was put in the queue.")
    for attempt in delivery.tries:
        yield _tried(attempt)
    if delivery.finished_at is not None and delivery.state in _ENDS:
        yield Step(delivery.finished_at, *_ENDS[delivery.state])
    # What the mail server said while we were sending is the last attempt's.
    for returned in aftermath.came_back if delivery.state == "accepted" else ():
        yield Step(returned.at, "bounced", f"The e-mail came back. {returned.reason}", returned.reply or None)
    for mark in aftermath.marks:
        yield Step(mark.at, mark.step, _MARKS[mark.step])
    yield from _unused(delivery, aftermath, now)


def _tried(attempt: Attempt) -> Step:
    if attempt.outcome is None:
        return Step(attempt.started_at, "tried", f"Attempt {attempt.number}: being sent right now.")
    words = in_plain_words(attempt.outcome, attempt.reply_code, attempt.reply)
    said = None
    if attempt.reply_code is not None:
        said = f"{attempt.reply_code} {attempt.reply}".rstrip()
    return Step(attempt.ended_at or attempt.started_at, "tried", f"Attempt {attempt.number}: {words}", said)


def _unused(delivery: Delivery, aftermath: Aftermath, now: datetime) -> Iterator[Step]:
    """That what an accepted e-mail carried was replaced, or ran out, before its reader had used it to the end."""
    carries_nothing = delivery.mail in NOTICES or delivery.state != "accepted"
    if carries_nothing or not aftermath.followed or aftermath.marked("password_chosen"):
        return
    if aftermath.succeeded_at is not None and aftermath.succeeded_at < delivery.expires_at:
        yield Step(
            aftermath.succeeded_at, "superseded", "Something newer took its place. It no longer lets anybody in."
        )
    elif delivery.expires_at <= now:
        yield Step(delivery.expires_at, "expired_unused", _ran_out(delivery, aftermath))


def _ran_out(delivery: Delivery, aftermath: Aftermath) -> str:
    if aftermath.marked("opened"):
        return "The temporary password ran out before its owner had chosen another one."
    if delivery.mail in ("password_reset", "staff_password_reset"):
        return "The code in it ran out before anybody used it."
    if delivery.mail == "invitation_link":
        return "The link in it ran out before anybody used it."
    return "The temporary password ran out before anybody signed in with it."


@dataclass(frozen=True, slots=True)
class Followed:
    """An e-mail with its steps."""

    delivery: Delivery
    steps: tuple[Step, ...]


async def followed(conn: Connection, deliveries: Sequence[Delivery], now: datetime) -> list[Followed]:
    """These e-mails, each with its steps as they are known at this moment."""
    aftermaths = await aftermath_of(conn, deliveries)
    return [Followed(one, steps_of(one, aftermaths[one.id], now)) for one in deliveries]
