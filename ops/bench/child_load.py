"""A closed loop of HTTP requests that costs little: one request at a time on each of some connections."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Any, cast

from ops.bench.child import Bench, play

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_HEAD_END = b"\r\n\r\n"
_OK = b" 200 "


class Asker(asyncio.Protocol):
    """Sends the same request again as soon as the answer is there, and notes how long each took."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._received = bytearray()
        self._sent = 0.0
        self._transport: asyncio.Transport | None = None
        self.took: list[float] = []
        self.refused = 0
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the first time."""
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Ask again when the whole answer is there."""
        self._received += data
        end = self._received.find(_HEAD_END)
        if end < 0:
            return
        length = _LENGTH.search(self._received, 0, end)
        if length is None:
            raise ValueError("an answer without its length")
        if len(self._received) < end + len(_HEAD_END) + int(length[1]):
            return
        self.took.append(time.perf_counter() - self._sent)
        if _OK not in self._received[:16]:
            self.refused += 1
        self._received.clear()
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server has closed the connection, or the load is over."""
        self.lost = True

    def close(self) -> None:
        """Ask no more."""
        if self._transport is not None:
            self._transport.abort()

    def _ask(self) -> None:
        if self._transport is not None:
            self._sent = time.perf_counter()
            self._transport.write(self._request)


async def load(bench: Bench, told: Mapping[str, Any]) -> None:
    """Ask ``path`` on ``connections`` connections for ``seconds``; answers how long each request took, in seconds."""
    head = [f"GET {told['path']} HTTP/1.1", f"Host: {told['host']}:{told['port']}", *told["headers"]]
    request = ("\r\n".join(head) + "\r\n\r\n").encode()
    await bench.ready()
    loop = asyncio.get_running_loop()
    askers = []
    started = time.perf_counter()
    for _ in range(told["connections"]):
        _, asker = await loop.create_connection(lambda: Asker(request), told["host"], told["port"])
        askers.append(asker)
    await asyncio.sleep(told["seconds"])
    seconds, lost = time.perf_counter() - started, sum(asker.lost for asker in askers)
    took = [one for asker in askers for one in asker.took]
    refused = sum(asker.refused for asker in askers)
    for asker in askers:
        asker.close()
    bench.say(seconds=seconds, took=took, refused=refused, lost=lost)


if __name__ == "__main__":
    play(load)
