"""One process of a service, in the harness's hands: started at a point of death or not, paused, killed, looked at."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from ops.stack.ports import LOOPBACK
from ops.stack.process import Command, Process, StopPlan, last_lines
from ops.stack.watchdog import Watchdog
from tests.faults.points import Point

_ROOT = Path(__file__).parents[2]
_READY_SECONDS = 60.0
# A stopped process takes no SIGTERM: it is continued first.
_PLAN: StopPlan = ((signal.SIGCONT, 0.0), (signal.SIGTERM, 12.0), (signal.SIGKILL, 5.0))


class Replica:
    """A running process. Only those that were started here are ever sent a signal."""

    def __init__(
        self, service: str, name: str, environment: Mapping[str, str], *, ready_url: str, log: Path, watchdog: Watchdog,
        point: Point | None = None,
    ) -> None:  # fmt: skip
        self.service = service
        self.name = name
        self.point = point
        self.paused = False
        self._ready_url = ready_url
        self._log = log
        module = ["tests.faults.dying", *point.arguments] if point else [service_module(service)]
        command = Command(
            name=name,
            argv=(sys.executable, "-m", *module),
            environment=environment,
            folder=_ROOT,
            log=log,
            stop=_PLAN,
            rank=3,
        )
        self._process = Process(command, watchdog)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process.running

    @property
    def died_at_its_point(self) -> bool:
        """Whether it was killed where it was to be killed, and not elsewhere."""
        return self.point is not None and not self.running and self.point.last_words in last_lines(self._log, 20)

    async def ready(self) -> None:
        """Wait until it serves, or until it died where it was to die. Raises when it ends otherwise."""
        async with (
            asyncio.timeout(_READY_SECONDS),
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(3)) as http,
        ):
            while self.running:
                try:
                    async with http.get(self._ready_url) as answer:
                        if answer.status == 200:
                            return
                except (aiohttp.ClientError, TimeoutError):
                    pass
                await asyncio.sleep(0.05)
        await self.ended()
        if self.died_at_its_point:
            return
        raise RuntimeError(f"{self.name} ended before it was ready: {last_lines(self._log, 5)}")

    async def figure(self, name: str) -> float:
        """One of its metrics, without labels; 0 when it does not say."""
        url = self._ready_url.replace("/readyz", "/metrics")
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(3)) as http, http.get(url) as answer:
            text = await answer.text()
        found = (line.split() for line in text.splitlines() if line.startswith(f"{name} "))
        return next((float(value) for _, value in found), 0.0)

    def pause(self) -> None:
        """SIGSTOP: it keeps its connections and its locks, and does nothing."""
        os.kill(self.pid, signal.SIGSTOP)
        self.paused = True

    def go_on(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)
        self.paused = False

    async def kill(self) -> None:
        """SIGKILL, also of a paused one."""
        if self.running:
            os.kill(self.pid, signal.SIGKILL)
        await self.ended()

    async def stop(self) -> None:
        """As an orchestrator stops it."""
        await self._process.stop()

    async def ended(self) -> int:
        """Wait for its end; the exit status, or the negative number of the signal."""
        return await self._process.wait()


def service_module(service: str) -> str:
    """What is run for a service."""
    return "ops.mailbox" if service == "mailbox" else f"services.{service}"


def probe(port: int) -> str:
    """Where a process on a probe port says that it is ready."""
    return f"http://{LOOPBACK}:{port}/readyz"
