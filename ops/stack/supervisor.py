"""Keeps the processes of the stack running: starts them in order, again when they die, and stops them in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ops.problems import EndedEarly, Problem

_START_SECONDS = 90.0
_FIRST_TRIES = 3


class Unit(Protocol):
    """Something that runs as a process. Units of a higher ``rank`` are stopped earlier."""

    @property
    def name(self) -> str:
        """What it is called in messages."""

    @property
    def service(self) -> str:
        """What it is a replica of."""

    @property
    def lacking(self) -> str:
        """Why it is not ready, in words."""

    @property
    def rank(self) -> int:
        """Its place in the order."""

    @property
    def pid(self) -> int | None:
        """Its process id, None while it does not run."""

    async def start(self) -> None:
        """Start it and return once it is ready; Problem when it ends before."""

    async def wait(self) -> str:
        """Return how it ended, once it has."""

    async def stop(self, hurry: asyncio.Event | None = None) -> None:
        """Stop it, whatever it is doing."""


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds before a dead process is started again: doubling, and from the start again after a good while of life."""

    first: float = 0.5
    longest: float = 30.0
    forgiven_after: float = 60.0


class Supervisor:
    """Runs units. ``say`` gets a line about every death, ``changed`` is called when a process id has changed."""

    def __init__(
        self,
        *,
        say: Callable[[str], None],
        changed: Callable[[], None],
        pauses: Pauses | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.units: list[Unit] = []
        self._say = say
        self._changed = changed
        self._pauses = pauses or Pauses()
        self._clock = clock
        self._sleep = sleep
        self._watchers: list[asyncio.Task[None]] = []

    async def start(self, *units: Unit) -> None:
        """Start units side by side and return when all are ready. Raises Problem as soon as one cannot be."""
        self.units.extend(units)
        starting = [asyncio.create_task(self._start_first(unit)) for unit in units]
        try:
            await asyncio.gather(*starting)
        except BaseException:
            await _cancel(starting)
            raise
        self._watchers.extend(asyncio.create_task(self._watch(unit)) for unit in units)
        self._changed()

    async def stop(self, hurry: asyncio.Event | None = None) -> None:
        """Stop everything, the highest rank first. Nothing is started again from now on."""
        await _cancel(self._watchers)
        self._watchers.clear()
        for rank in sorted({unit.rank for unit in self.units}, reverse=True):
            await asyncio.gather(*(unit.stop(hurry) for unit in self.units if unit.rank == rank))
        self.units.clear()

    def pids(self) -> dict[str, list[int]]:
        """The process ids that run now, by service."""
        found: dict[str, list[int]] = {}
        for unit in self.units:
            found.setdefault(unit.service, [])
            if unit.pid is not None:
                found[unit.service].append(unit.pid)
        return found

    async def _start_first(self, unit: Unit) -> None:
        for remaining in reversed(range(_FIRST_TRIES)):
            try:
                async with asyncio.timeout(_START_SECONDS):
                    await unit.start()
                return
            except TimeoutError:
                raise Problem(f"{unit.name} is not ready after {_START_SECONDS:.0f} s: {unit.lacking}.") from None
            except EndedEarly as problem:
                if not remaining:
                    raise
                self._say(f"{problem} Trying again.")
                await self._sleep(self._pauses.first)

    async def _watch(self, unit: Unit) -> None:
        pause = self._pauses.first
        while True:
            began = self._clock()
            end = await unit.wait()
            if self._clock() - began >= self._pauses.forgiven_after:
                pause = self._pauses.first
            self._changed()
            self._say(f"{unit.name} {end}; it is started again in {pause:g} s.")
            while not await self._started_again(unit, after=pause):
                pause = min(pause * 2, self._pauses.longest)
                self._say(f"{unit.name} is started again in {pause:g} s.")
            pause = min(pause * 2, self._pauses.longest)
            self._say(f"{unit.name} runs again (process {unit.pid}).")
            self._changed()

    async def _started_again(self, unit: Unit, *, after: float) -> bool:
        await self._sleep(after)
        try:
            await unit.start()
        except Problem as problem:
            self._say(str(problem))
            return False
        return True


async def _cancel(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
