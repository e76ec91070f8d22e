"""One stack per data directory."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from ops.problems import Problem

_LOOK_AGAIN_SECONDS = 0.1
# Longer than a killed run's watchdog needs to stop services, Valkey and PostgreSQL one after the other.
_PATIENCE_SECONDS = 75.0


class DataLock:
    """The lock of a data directory, an async context manager.

    A run that was killed keeps the lock through its watchdog until everything of it is stopped: that is waited for.
    Raises Problem when another run holds it.
    """

    def __init__(self, data: Path, say: Callable[[str], None]) -> None:
        self._data = data
        self._say = say
        self._file = -1

    @property
    def descriptor(self) -> int:
        """The open file that carries the lock; a process that inherits it shares the lock."""
        return self._file

    async def __aenter__(self) -> Self:
        self._file = os.open(self._data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if not self._taken():
                await self._wait_for_orphans()
        except BaseException:
            os.close(self._file)
            raise
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, str(os.getpid()).encode(), 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def _taken(self) -> bool:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    async def _wait_for_orphans(self) -> None:
        self._require_dead_holder()
        self._say(f"An earlier run on {self._data} was killed; waiting until all of it has stopped.")
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                while not self._taken():
                    await asyncio.sleep(_LOOK_AGAIN_SECONDS)  # flock has no way to wait that can be given up
                    self._require_dead_holder()
        except TimeoutError:
            raise Problem(f"What an earlier run on {self._data} left behind does not stop.") from None

    def _require_dead_holder(self) -> None:
        holder = os.pread(self._file, 20, 0).decode(errors="replace").strip()
        # An empty file means that the other run has the lock and is about to write its id.
        if not holder.isdecimal() or _alive(int(holder)):
            who = f" (process {holder})" if holder else ""
            raise Problem(f"{self._data} is in use by another `portico up`{who}: stop it, or choose another --data.")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
