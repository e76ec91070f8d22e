"""Realistic events: the mix that agencies produce, with people, addresses and request ids, as they are published."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from redis.asyncio import Redis

from shared.events import Actor, Envelope, EventIds, Payload, Subject
from shared.events.catalogue import (
    BlockChanges,
    CaseUpdated,
    FaceSheetUpdated,
    FaceSheetViewed,
    PortalLoginUpdated,
    PortalPasswordChanged,
    PortalRefusalChanged,
    PortalSessionEnded,
    PortalSessionStarted,
)
from shared.events.registry import Change
from shared.streams import FIELD, ID_FIELD, STREAM

_APART = timedelta(microseconds=500)
_CLIENTS_OF_AN_AGENCY = 500
_STAFF_OF_AN_AGENCY = 12
_PIPELINE = 1000
_USERNAMES = ("cmalek", "jdoe", "k.ortega", "fam_nguyen", "rwhitfield", "sw-okafor", "t.lindqvist", "mbarnes")

_RESIDENCE = BlockChanges(
    block="current_residence",
    label="Current Residence",
    entries=(
        Change(field="Street", old="12 Elm St", new="4 River Road"),
        Change(field="CurrentHomeless", old="Yes", new="No"),
        Change(field="Email", old=None, new="person@mail.example.org"),
    ),
)
_UPDATED = (
    Change(field="Active", old="Yes", new="No"),
    Change(field="Portal User Email", old="old@mail.example.org", new="new@mail.example.org"),
)


def payloads(username: str) -> tuple[tuple[int, Payload], ...]:
    """What happens, and how often in a hundred."""
    return (
        (28, PortalSessionStarted(username=username)),
        (22, PortalSessionEnded(username=username, reason="idle")),
        (20, FaceSheetUpdated(blocks=(_RESIDENCE,))),
        (12, FaceSheetViewed()),
        (8, PortalLoginUpdated(username=username, changes=_UPDATED, password_updated=True)),
        (4, PortalPasswordChanged(username=username, how="own")),
        (4, CaseUpdated(case_number="C26-09678", changes=(Change(field="Program", old="Residential", new="Day"),))),
        (2, PortalRefusalChanged(refused=True)),
    )


class Events:
    """Makes events of some agencies, always the same ones for the same ``seed``, apart from their ids and times."""

    def __init__(self, agencies: Sequence[UUID], *, seed: int = 1) -> None:
        self._agencies = agencies
        self._chance = random.Random(seed)  # noqa: S311 - a load to measure with, no secret
        self._ids = EventIds()
        self._mix = {name: payloads(name) for name in _USERNAMES}

    def make(self, count: int, *, until: datetime) -> list[Envelope]:
        """So many, half a millisecond apart, the last one just before ``until``."""
        return [self._one(until - _APART * (count - n)) for n in range(count)]

    def payload(self) -> Payload:
        """What happens next."""
        mix = self._mix[self._chance.choice(_USERNAMES)]
        return self._chance.choices([p for _, p in mix], [weight for weight, _ in mix])[0]

    def subject(self, agency: UUID) -> Subject:
        """To whom."""
        number = self._chance.randrange(_CLIENTS_OF_AN_AGENCY)
        return Subject(client_id=_derived(agency, 1, number), portal_login_id=_derived(agency, 2, number))

    def actor(self, agency: UUID) -> Actor:
        """By whom."""
        number = self._chance.randrange(_STAFF_OF_AN_AGENCY)
        return Actor(
            kind="staff",
            id=_derived(agency, 3, number),
            username=f"staff{number}",
            name=f"Staff Member {number}",
            session_id=_derived(agency, 4, number),
            address="203.0.113.7",
        )

    def _one(self, moment: datetime) -> Envelope:
        agency, payload = self._chance.choice(self._agencies), self.payload()
        return Envelope(
            id=self._ids(moment),
            type=payload.type,
            version=payload.version,
            agency_id=agency,
            occurred_at=moment,
            actor=self.actor(agency),
            subject=self.subject(agency),
            request_id=f"{self._chance.getrandbits(128):032x}",
            payload=payload.model_dump(mode="json"),
        )


def agency_ids(count: int) -> list[UUID]:
    """Ids of so many agencies, always the same ones."""
    return [_derived(UUID(int=0), 9, n) for n in range(1, count + 1)]


def _derived(of: UUID, kind: int, number: int) -> UUID:
    chance = random.Random(of.int ^ kind << 64 ^ number)  # noqa: S311 - an id that repeats from run to run
    return UUID(int=chance.getrandbits(128), version=4)


async def put_on_stream(redis: Redis, events: Sequence[tuple[UUID, str]]) -> None:
    """Put events on the stream as the relay does."""
    for start in range(0, len(events), _PIPELINE):
        async with redis.pipeline(transaction=False) as pipe:
            for event_id, text in events[start : start + _PIPELINE]:
                pipe.xadd(STREAM, {FIELD: text, ID_FIELD: str(event_id)})
            await pipe.execute()
