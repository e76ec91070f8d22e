"""The hash chain: what a leaf and a link are made of, when events are stored and when they are verified.

Per agency and year (of the event's id): ``link = sha256(previous link || leaf)``, where
``leaf = sha256(facts || personal digest)`` and ``personal digest = sha256(salt || actor's name || 0 || event)``. When
the personal details of an event are erased, its digest stays in their place and tells nothing, since the salt is gone
too.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from shared.events import time_of

SALT_BYTES: Final = 16
LAST_YEAR: Final = 9999
"""Ids are made by others: one with a time beyond the calendar belongs to its last year."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_START: Final = b"portico chain"


def year_of(event_id: UUID) -> int:
    """The year of the event's chain."""
    try:
        return time_of(event_id).year
    except OverflowError:
        return LAST_YEAR


def facts(
    *,
    event_id: UUID,
    agency_id: UUID,
    type_: str,
    version: int,
    occurred_at: datetime,
    actor_key: str,
    client_id: UUID | None,
    case_id: UUID | None,
    portal_login_id: UUID | None,
    in_activity: bool,
    change_type: str | None,
) -> bytes:
    """What stays readable after an erasure, as the query ``chain`` of sql/verify.sql puts it together as well.

    Texts come with their length, so that no two rows share one form.
    """
    moment = (occurred_at - _EPOCH) // _MICROSECOND
    return (
        f"{event_id}|{agency_id}|{version}|{moment}|{client_id or ''}|{case_id or ''}|{portal_login_id or ''}"
        f"|{int(in_activity)}|{_text(type_)}|{_text(actor_key)}|{_text(change_type)}"
    ).encode()


def _text(value: str | None) -> str:
    return "" if value is None else f"{len(value.encode())}:{value}"


def personal_digest(salt: bytes, actor_name: str, event: bytes) -> bytes:
    """32 bytes that stand for the personal details of an event."""
    return hashlib.sha256(b"%b%b\0%b" % (salt, actor_name.encode(), event)).digest()


def leaf_of(facts: bytes, digest: bytes) -> bytes:
    """32 bytes that stand for the event, wherever in the chain it is."""
    return hashlib.sha256(facts + digest).digest()


def link_of(previous: bytes, leaf: bytes) -> bytes:
    """32 bytes that stand for the event and all before it."""
    return hashlib.sha256(previous + leaf).digest()


def start_of(agency_id: UUID, year: int, previous: bytes | None) -> bytes:
    """Where a chain begins: its name, and the end of the agency's chain before it."""
    return hashlib.sha256(_START + agency_id.bytes + year.to_bytes(2, "big") + (previous or b"")).digest()
