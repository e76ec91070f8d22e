"""A worker that neither consumes nor says why: noticed, shown to whoever watches, and in the end stopped.

Workers have been seen to stay silent after a reconnection while the broker answered everybody else; a new process gets
them out of it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import structlog

from shared.http.readiness import Readiness

log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 5.0
# Longer than a worker takes to connect again, pauses between its tries included.
_STALLED_SECONDS: Final = 90.0


class Liveness:
    """Looks every few seconds; touches ``heartbeat_file`` while the worker is well, or only its broker is missing."""

    def __init__(
        self,
        readiness: Readiness,
        *,
        heartbeat_file: Path | None,
        look_seconds: float = _LOOK_SECONDS,
        stalled_seconds: float = _STALLED_SECONDS,
    ) -> None:
        self._readiness = readiness
        self._file = heartbeat_file
        self._look_seconds = look_seconds
        self._stalled_seconds = stalled_seconds
        self.stalled = asyncio.Event()

    async def run(self) -> None:
        """Look until the worker is given up (``stalled`` is set then) or this is cancelled."""
        loop = asyncio.get_running_loop()
        silent_since: float | None = None
        try:
            while not self.stalled.is_set():
                missing = await self._readiness.missing()
                if "worker" not in missing or "broker" in missing:
                    silent_since = None
                    await self._touch()
                elif silent_since is None:
                    silent_since = loop.time()
                elif loop.time() - silent_since >= self._stalled_seconds:
                    log.critical("the worker does not consume although its broker answers")
                    self.stalled.set()
                await asyncio.sleep(self._look_seconds if silent_since is None else self._look_seconds / 5)
        finally:
            if self._file is not None:
                self._file.unlink(missing_ok=True)

    async def _touch(self) -> None:
        if self._file is None:
            return
        try:
            await asyncio.to_thread(self._file.touch)
        except OSError as error:
            log.warning("heartbeat file cannot be touched", reason=error.strerror)
