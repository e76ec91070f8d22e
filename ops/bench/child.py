"""The child's end of a measurement in a process of its own: lines of JSON from the bench, and lines back to it."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import uvloop

from shared.logging import configure_logging
from shared.process import settle

_LONGEST_LINE = 1 << 24


class Gone(Exception):
    """The bench has ended, or has no more to say."""


class Bench:
    """The process that asked. What is printed by others in this process goes to its log, not into the answers."""

    def __init__(self, told: asyncio.StreamReader) -> None:
        self._told = told
        self._answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    async def hear(self) -> Mapping[str, Any]:
        """The next line. Raises Gone."""
        line = await self._told.readline()
        if not line:
            raise Gone
        found: Mapping[str, Any] = json.loads(line)
        return found

    async def ready(self) -> None:
        """Everything is prepared, as in a service that has started: wait for the others at the barrier. Raises Gone."""
        settle()
        self.say(ready=True)
        await self.hear()

    def say(self, **what: object) -> None:
        """One line."""
        self._answers.write(json.dumps(what) + "\n")


def play(work: Callable[[Bench, Mapping[str, Any]], Awaitable[None]]) -> None:
    """Run ``work`` on the loop that services run on; the first line tells it what to do."""
    configure_logging("warning")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_play(work))


async def _play(work: Callable[[Bench, Mapping[str, Any]], Awaitable[None]]) -> None:
    told = asyncio.StreamReader(limit=_LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(told), sys.stdin)
    bench = Bench(told)
    try:
        await work(bench, await bench.hear())
    except Gone:
        return
