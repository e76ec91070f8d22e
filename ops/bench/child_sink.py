"""A mail server that takes everything and keeps nothing but the times."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from ops.bench.child import Bench, play
from ops.stack.ports import LOOPBACK


class _Sink:
    def __init__(self) -> None:
        self.expected = 0
        self.pause = 0.0
        self.times: list[float] = []
        self.done = asyncio.Event()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        if self.pause:
            await asyncio.sleep(self.pause)
        self.times.append(time.perf_counter())
        if len(self.times) == self.expected:
            self.done.set()
        return "250 OK"


async def take(bench: Bench, told: Mapping[str, Any]) -> None:
    """Each line says how many mails to ``expect``, and for how many seconds to ``pause`` before each is accepted.

    Answered with the seconds from the first to the last of them.
    """
    sink, loop = _Sink(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(sink, hostname="sink.test", loop=loop), LOOPBACK, told["port"])
    try:
        await bench.ready()
        while True:
            asked = await bench.hear()
            sink.expected, sink.pause = int(asked["expect"]), float(asked["pause"])
            sink.times.clear()
            sink.done.clear()
            bench.say(listening=True)
            await sink.done.wait()
            bench.say(seconds=sink.times[-1] - sink.times[0])
    finally:
        server.close()


if __name__ == "__main__":
    play(take)
