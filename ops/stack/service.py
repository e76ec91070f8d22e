"""One replica of a service: a Python process that says on a probe port whether it is ready."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp

import ops
from ops.problems import EndedEarly, Problem
from ops.stack.ports import LOOPBACK, free_port
from ops.stack.process import Command, Process, describe_end, last_lines, size_of
from ops.stack.watchdog import Watchdog

_LOOK_AGAIN_SECONDS = 0.1
_ANSWER_SECONDS = 3.0
_WRONG_SETTINGS = 2

# The packages are found from here, however this one was installed.
_ROOT = Path(ops.__file__).resolve().parent.parent


class ServiceProcess:
    """Runs ``python -m module``; ``settings`` makes the environment for a probe port, a new one at each start.

    With ``ready_url`` (the mailbox) that page is asked instead of the probe port's.
    """

    def __init__(
        self,
        *,
        service: str,
        number: int,
        module: str,
        settings: Callable[[int], Mapping[str, str]],
        logs: Path,
        watchdog: Watchdog | None = None,
        rank: int = 3,
        ready_url: str | None = None,
    ) -> None:
        self.service = service
        self.name = f"{service}-{number}"
        self.log = logs / f"{self.name}.log"
        self.rank = rank
        self.lacking = "it has not answered yet"
        self.probe_url: str | None = None
        self._module = module
        self._settings = settings
        self._watchdog = watchdog
        self._ready_url = ready_url
        self._process: Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id, None while it does not run."""
        return self._process.pid if self._process is not None and self._process.running else None

    async def start(self) -> None:
        """Start it and wait until it is ready, however long that takes. Raises Problem when it ends before."""
        port = free_port()
        self.probe_url = None if self._ready_url else f"http://{LOOPBACK}:{port}"
        written = size_of(self.log)
        self._process = process = Process(self._command(port), self._watchdog)
        ended = asyncio.create_task(process.wait())
        try:
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(_ANSWER_SECONDS)) as session:
                while not ended.done():
                    if await self._is_ready(session, self._ready_url or f"{self.probe_url}/readyz"):
                        return
                    await asyncio.wait({ended}, timeout=_LOOK_AGAIN_SECONDS)
        finally:
            ended.cancel()
        code = await process.wait()
        said = " ".join(last_lines(self.log, 3, since=written)) or "it wrote nothing"
        # Services end with this status over their settings, which another try does not change.
        kind = Problem if code == _WRONG_SETTINGS else EndedEarly
        raise kind(f"{self.name} {describe_end(code)} before it was ready: {said} (more in {self.log}).")

    async def wait(self) -> str:
        """Wait until the process ends, and say how it did."""
        if self._process is None:
            return "was not started"
        return describe_end(await self._process.wait())

    async def stop(self, hurry: asyncio.Event | None = None) -> None:
        """Let it finish what it has begun; ``hurry`` ends the patience."""
        if self._process is not None and self._process.running:
            await self._process.stop(hurry)

    def _command(self, probe_port: int) -> Command:
        return Command(
            name=self.name,
            argv=(sys.executable, "-m", self._module),
            environment=self._settings(probe_port),
            folder=_ROOT,
            log=self.log,
            rank=self.rank,
        )

    async def _is_ready(self, session: aiohttp.ClientSession, url: str) -> bool:
        try:
            async with session.get(url) as answer:
                if answer.status == 200:
                    return True
                self.lacking = (await answer.text())[:500].strip() or f"it answers with status {answer.status}"
        except (aiohttp.ClientError, TimeoutError, OSError):
            self.lacking = "its probe port does not answer"
        return False
