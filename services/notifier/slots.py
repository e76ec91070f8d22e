"""How many mails go to one place at once, so that a place which hangs holds up no other.

Mails to one domain end at the same few mail servers, also by way of a smart host that asks them before it answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

PATIENCE: Final = 1.0
"""Seconds. A place that takes mail has a free slot sooner; to put off each mail beyond the limit would make a burst to
one large provider last for minutes."""


@dataclass(slots=True)
class _Place:
    free: asyncio.Semaphore
    visitors: int = 0
    slow: bool = False


class Slots:
    """Counts by place; of one event loop."""

    def __init__(self, at_once: int, *, patience: float = PATIENCE) -> None:
        self._at_once = at_once
        self._patience = patience
        self._places: dict[str, _Place] = {}
        self.put_off = 0
        """How often there was none."""

    @asynccontextmanager
    async def slot(self, place: str) -> AsyncIterator[bool]:
        """Whether there is a slot, kept until the end of the context.

        One is waited for as long as the place is quick. Once somebody has waited in vain nobody does, until a mail to
        it has ended: a place that hangs holds a thread for ``patience`` seconds, and never again.
        """
        found = self._places.setdefault(place, _Place(asyncio.Semaphore(self._at_once)))
        found.visitors += 1
        try:
            if not await self._enter(found):
                self.put_off += 1
                yield False
                return
            try:
                yield True
            finally:
                found.slow = False
                found.free.release()
        finally:
            found.visitors -= 1
            if not found.visitors:
                del self._places[place]

    async def _enter(self, place: _Place) -> bool:
        if place.slow and place.free.locked():
            return False
        try:
            async with asyncio.timeout(self._patience):
                await place.free.acquire()
        except TimeoutError:
            place.slow = True
            return False
        return True
