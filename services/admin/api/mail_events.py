"""What a mail provider tells of e-mails after it took them: signed, and only where the operator has set a secret."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Annotated, Final, Literal
from uuid import UUID

from aiohttp import web
from pydantic import AfterValidator, Field

from services.admin.keys import SETTINGS, WORK
from services.admin.use_cases import mail_events
from services.admin.use_cases.mail_events import MailEvent
from shared.deliveries.bounces import LONGEST_REPLY
from shared.deliveries.message_ids import delivery_in
from shared.errors import DomainError
from shared.http.answers import json_answer
from shared.http.bodies import read_json
from shared.http.fields import Answer, Body, Timestamp, sentence
from shared.http.keys import CLOCK
from shared.http.openapi import operation

PATH: Final = "/api/v1/mail-events"
TIMESTAMP: Final = "X-Portico-Timestamp"
SIGNATURE: Final = "X-Portico-Signature"
WINDOW_SECONDS: Final = 300
MOST_EVENTS: Final = 100

_SECONDS = re.compile(r"[0-9]{1,12}")
_CODE = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}")


class NotSigned(DomainError):
    """The signature of this request is missing, wrong or too old.

    The header X-Portico-Timestamp holds the time in seconds since 1970, X-Portico-Signature the HMAC-SHA256 in hex of
    that text, a full stop, and the body, made with the shared secret. The time may be five minutes off.
    """

    status = 401


def _code(value: str) -> str:
    if not _CODE.fullmatch(value):
        raise sentence("Enter a code such as 5.1.1.")
    return value


def _cut(value: str) -> str:
    return value[:LONGEST_REPLY]


class MailEventIn(Body):
    """One thing that happened to one e-mail, named by our delivery's id or by the mail's Message-ID.

    ``class`` says whether the address is gone (``hard``) or the trouble may pass (``soft``).
    """

    id: Annotated[str, Field(min_length=1, max_length=200)]
    delivery_id: UUID | None = None
    message_id: Annotated[str, Field(min_length=1, max_length=400)] | None = None
    recipient: Annotated[str, Field(min_length=3, max_length=254)]
    type: Literal["bounced", "complained", "delivered"]
    bounce_class: Annotated[Literal["hard", "soft"] | None, Field(alias="class")] = None
    code: Annotated[str, AfterValidator(_code)] | None = None
    reason: Annotated[str, Field(max_length=4000), AfterValidator(_cut)] = ""
    at: Timestamp

    def event(self) -> MailEvent:
        """As the use case takes it."""
        return MailEvent(
            id=self.id,
            type=self.type,
            delivery_id=self.delivery_id or delivery_in(self.message_id or ""),
            recipient=self.recipient,
            bounce_class=self.bounce_class,
            code=self.code,
            reason=" ".join(self.reason.split()),
            at=self.at,
        )


class MailEventsIn(Body):
    """Up to a hundred of them."""

    events: Annotated[tuple[MailEventIn, ...], Field(max_length=MOST_EVENTS)]


class MailEventsTaken(Answer):
    """How many were read. Which of them were about e-mails of ours is not told."""

    received: int


@operation(
    "Tell what became of e-mails",
    body=MailEventsIn,
    answers={202: MailEventsTaken},
    problems=(NotSigned,),
    security=None,
    tag="Mail events",
)
async def take_mail_events(request: web.Request) -> web.Response:
    """For the mail provider: e-mails that came back, and readers who called one spam. Sent twice, it counts once.

    Signed with the headers ``X-Portico-Timestamp`` and ``X-Portico-Signature``; see the problem ``not-signed``.
    """
    body = await read_json(request, MailEventsIn, check=lambda raw: _require_signature(request, raw))
    await mail_events.take(request.app[WORK], events=[event.event() for event in body.events])
    return json_answer(MailEventsTaken(received=len(body.events)), status=202)


def _require_signature(request: web.Request, raw: bytes) -> None:
    said, signature = request.headers.get(TIMESTAMP, ""), request.headers.get(SIGNATURE, "")
    secret = request.app[SETTINGS].mail_events_secret
    if secret is None or not _SECONDS.fullmatch(said) or not signature.isascii():
        raise NotSigned
    wanted = signature_of(secret, said, raw)
    # Before the time is looked at: who has no secret does not learn what our clock says.
    if not hmac.compare_digest(wanted, signature.lower()):
        raise NotSigned
    if abs(request.app[CLOCK]().timestamp() - int(said)) > WINDOW_SECONDS:
        raise NotSigned


def signature_of(secret: str, timestamp: str, body: bytes) -> str:
    """What the header has to hold, in hex."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
