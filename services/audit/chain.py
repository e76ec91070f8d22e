"""The hash chain: what a leaf and a link are made of, when events are stored and when they are verified.

Per agency and year (of the event's id): ``link = sha256(previous link || leaf)``, where
``leaf = sha256(facts || personal digest)`` and ``personal digest = sha256(salt || actor's name || 0 || event)``. When
the personal details of an event are erased, its digest stays in their place and tells nothing, since the salt is gone
too.
"""

from __future__ import annotations

import hashlib
import struct
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from uuid import UUID

SALT_BYTES: Final = 16
LAST_YEAR: Final = 9999
"""Ids are made by others: one with a time beyond the calendar belongs to its last year."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
# In milliseconds, which are the highest 48 bits of an id.
_DAY: Final = 86_400_000
_START: Final = b"portico chain"
_HEAD: Final = struct.Struct("!16s16shq?")
_ID: Final = b"\1"
_NO_ID: Final = b"\0"
_NO_TEXT: Final = (-1).to_bytes(4, "big", signed=True)


def year_of(event_id: UUID) -> int:
    """The year of the event's chain."""
    return _year_of_day((event_id.int >> 80) // _DAY)


@lru_cache(maxsize=64)
def _year_of_day(day: int) -> int:
    try:
        return (_EPOCH + timedelta(days=day)).year
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

    Big-endian, as PostgreSQL's ``uuid_send``, ``int2send``, ``int8send`` and ``boolsend`` write it: id, agency,
    version, microseconds since 1970, whether it is activity; then each id as a byte 1 and 16 bytes, or a byte 0 when
    there is none; then each text as the length of its UTF-8 in 4 bytes and that, or the length -1. So no two rows share
    one form.
    """
    moment = (occurred_at - _EPOCH) // _MICROSECOND
    return b"".join(
        (
            _HEAD.pack(event_id.bytes, agency_id.bytes, version, moment, in_activity),
            _NO_ID if client_id is None else _ID + client_id.bytes,
            _NO_ID if case_id is None else _ID + case_id.bytes,
            _NO_ID if portal_login_id is None else _ID + portal_login_id.bytes,
            _text(type_),
            _text(actor_key),
            _NO_TEXT if change_type is None else _text(change_type),
        )
    )


def _text(value: str) -> bytes:
    encoded = value.encode()
    return len(encoded).to_bytes(4, "big") + encoded


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
