"""Event ids: UUID version 7 (RFC 9562, section 5.7) made from the event's own time.

The 12 bits of ``rand_a`` carry the fraction of the millisecond (method 3 of section 6.2), so ids sort by the
microsecond; events of one process at the same microsecond keep the order in which they were made.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Ids of one process that would collide are moved on by one step of 1/4096 ms, as long as they are this close in time.
_CLOSE = 4096


class EventIds:
    """Makes ids; one per process, safe for threads."""

    def __init__(self, random_bits: Callable[[int], int] = secrets.randbits) -> None:
        self._random_bits = random_bits
        self._lock = threading.Lock()
        self._last = 0

    def __call__(self, occurred_at: datetime) -> UUID:
        """The id of an event that happened at ``occurred_at`` (aware)."""
        micros = (occurred_at - _EPOCH) // _MICROSECOND
        stamp = (micros // 1000 << 12) | (micros % 1000 * 4096 // 1000)
        with self._lock:
            if 0 <= self._last - stamp < _CLOSE:
                stamp = self._last + 1
            self._last = stamp
        milliseconds, fraction = stamp >> 12, stamp & 0xFFF
        return UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | self._random_bits(62))


def time_of(event_id: UUID) -> datetime:
    """The millisecond that an id carries, in UTC."""
    return _EPOCH + timedelta(milliseconds=event_id.int >> 80)


def lowest_id_at(moment: datetime) -> UUID:
    """The lowest id of an event at ``moment``; ids below it are earlier. For time windows over ids."""
    milliseconds = (moment - _EPOCH) // timedelta(milliseconds=1)
    # There are no ids of moments before 1970.
    return UUID(int=max(0, milliseconds) << 80)
