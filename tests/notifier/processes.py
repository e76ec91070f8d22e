"""The notifier as operators run it: a process of its own, told everything by its environment."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession

from ops.stack.ports import free_port

ROOT = Path(__file__).parents[2]


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 15) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, "it did not come to that"
        await asyncio.sleep(0.05)


class Notifier:
    """One process. Its log is kept in a file."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._probe = free_port()
        self._environment = {
            "PATH": os.environ["PATH"],
            "PROBE_PORT": str(self._probe),
            "PYTHONUNBUFFERED": "1",
            **environment,
        }
        self._log = log
        self.process: Process

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text()

    async def start(self) -> None:
        """Begin, without waiting until it is ready."""
        with self._log.open("wb") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "services.notifier", cwd=ROOT, env=self._environment, stdout=log, stderr=log
            )

    async def probe(self, path: str) -> tuple[int, str]:
        """Status and text; 0 while the port is closed."""
        try:
            async with ClientSession() as http, http.get(f"http://127.0.0.1:{self._probe}{path}") as answer:
                return answer.status, await answer.text()
        except ClientError:
            return 0, ""

    async def ready(self) -> None:
        """Wait until it is."""

        async def check() -> bool:
            assert self.process.returncode is None, self.log
            return (await self.probe("/readyz"))[0] == 200

        await until(check)

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send it a signal and wait for its end; answers the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(30):
            return await self.process.wait()


@asynccontextmanager
async def running(environment: Mapping[str, str], log: Path, **more: Any) -> AsyncIterator[Notifier]:
    """A process that is ready, for as long as the context is open."""
    notifier = Notifier({**environment, **more}, log)
    await notifier.start()
    try:
        await notifier.ready()
        yield notifier
    finally:
        await notifier.stop(signal.SIGKILL)
