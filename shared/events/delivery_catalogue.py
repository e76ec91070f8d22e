"""The events of e-mails on their way: never their content, their secret or an address."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from shared.events.registry import ActivityWording, ChangeWording, Payload, SecurityWording, event


class _DeliveryPayload(Payload):
    """What every event of a delivery says; never an address or a secret."""

    delivery_id: UUID
    mail: str


@event("delivery.queued")
class DeliveryQueued(_DeliveryPayload):
    """An e-mail to the owner of a portal login, or to a staff user, was put in the queue."""


@event("delivery.accepted")
class DeliveryAccepted(_DeliveryPayload):
    """The mail server took an e-mail over."""

    attempt: int


@event("delivery.deferred")
class DeliveryDeferred(_DeliveryPayload):
    """An attempt to hand an e-mail over did not succeed; another one will follow."""

    attempt: int
    outcome: str


@event("delivery.failed")
class DeliveryFailed(_DeliveryPayload):
    """An e-mail was given up: refused for good, tried often enough, or nothing is sent to its address any more."""

    attempt: int
    outcome: str


@event("delivery.expired")
class DeliveryExpired(_DeliveryPayload):
    """An e-mail was not sent before what it carries expired."""


@event("delivery.superseded")
class DeliverySuperseded(_DeliveryPayload):
    """A newer e-mail took the place of one that was still in the queue."""


@event("delivery.cancelled")
class DeliveryCancelled(_DeliveryPayload):
    """An e-mail was taken out of the queue: the login was made inactive, or the agency's contract ended."""

    reason: str


@event("delivery.bounced")
class DeliveryBounced(_DeliveryPayload):
    """An e-mail came back, or its reader called it spam.

    After ``hard`` and ``complaint`` no more is sent to the address. ``code`` is an enhanced status code (RFC 3463).
    """

    kind: Literal["hard", "soft", "complaint", "unknown"]
    code: str | None


@event(
    "portal_login.email_cleared",
    activity=ActivityWording("Profile Updated", "E-mails to Portal Login {username} are sent again by {actor}"),
    change=ChangeWording("Portal Login", "E-mails are sent again to the address of Portal Login {username}."),
    security=SecurityWording(
        "Portal E-mail Tried Again", "{actor} said that the e-mail address of {username} works again."
    ),
)
class PortalLoginEmailCleared(Payload):
    """Staff said that the address of a portal login works, after e-mails to it had come back."""

    username: str


@event(
    "staff.email_cleared",
    security=SecurityWording(
        "Staff E-mail Tried Again", "{actor} sent an e-mail to {username}, whose e-mails had come back."
    ),
)
class StaffEmailCleared(Payload):
    """An agency admin sent an invitation to a staff user's address, after e-mails to it had come back."""

    username: str
