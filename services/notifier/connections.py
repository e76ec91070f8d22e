"""Connections to one mail server that wait, signed in and unused, for the next mail."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from aiosmtplib import SMTP, SMTPException

IDLE_SECONDS: Final = 30.0
"""Mail servers let idle clients wait for minutes (RFC 5321, 4.5.3.2.7, asks for five). Long enough for a queue that
moves; after that somebody else may need what a connection costs the server."""
_GOODBYE_SECONDS: Final = 2.0


@dataclass(slots=True)
class _Idle:
    smtp: SMTP
    ending: asyncio.TimerHandle


class Connections:
    """Up to ``keep`` idle ones; of one event loop. A connection that is in use belongs to whoever took it."""

    def __init__(self, keep: int, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._keep = keep
        self._idle_seconds = idle_seconds
        self._idle: list[_Idle] = []
        self._goodbyes: set[asyncio.Task[None]] = set()

    def take(self) -> SMTP | None:
        """The one that was used last, so that those beyond need grow old; None when there is none."""
        while self._idle:
            found = self._idle.pop()
            found.ending.cancel()
            if found.smtp.is_connected:
                return found.smtp
            found.smtp.close()
        return None

    async def give_back(self, smtp: SMTP) -> None:
        """Keep it for the next mail, or part from it when there are enough."""
        if not smtp.is_connected or len(self._idle) >= self._keep:
            await goodbye(smtp)
            return
        ending = asyncio.get_running_loop().call_later(self._idle_seconds, self._end, smtp)
        self._idle.append(_Idle(smtp, ending))

    def _end(self, smtp: SMTP) -> None:
        self._idle = [idle for idle in self._idle if idle.smtp is not smtp]
        task = asyncio.create_task(goodbye(smtp))
        self._goodbyes.add(task)
        task.add_done_callback(self._goodbyes.discard)

    async def close(self) -> None:
        """Part from all of them. What is in use ends with its mail."""
        self._keep = 0
        idle, self._idle = self._idle, []
        for found in idle:
            found.ending.cancel()
        await asyncio.gather(*(goodbye(found.smtp) for found in idle), *self._goodbyes)


async def goodbye(smtp: SMTP) -> None:
    """QUIT, to a server that answers; one that fell silent is not waited for."""
    try:
        if smtp.is_connected:
            await smtp.quit(timeout=_GOODBYE_SECONDS)
    except (SMTPException, OSError):
        # What it said about the mail is what counts, and that is there already.
        return
    finally:
        smtp.close()
