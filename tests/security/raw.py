"""Requests as bytes: what no well-behaved client sends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """What came back until the server closed, or had nothing more to say. ``closed``: it closed the connection."""

    status: int
    head: str
    body: bytes
    closed: bool

    def header(self, name: str) -> str | None:
        """The value of a header that is there once."""
        found = [
            line.partition(":")[2].strip() for line in self.head.split("\r\n") if line.lower().startswith(f"{name}:")
        ]
        assert len(found) <= 1, self.head
        return found[0] if found else None


async def send(port: int, request: bytes, *, patience: float = 5.0) -> RawAnswer:
    """Send it on a connection of its own; ``patience`` is how long to wait for the server to close."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await answer_on(reader, patience=patience)
    finally:
        writer.close()


async def answer_on(reader: asyncio.StreamReader, *, patience: float) -> RawAnswer:
    """Read one answer, and whether the connection is closed after it."""
    async with asyncio.timeout(patience + 10):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    answer = RawAnswer(int(head.split(" ", 2)[1]), head, b"", closed=False)
    body = await reader.readexactly(int(answer.header("content-length") or 0))
    try:
        async with asyncio.timeout(patience):
            closed = await reader.read(1) == b""
    except (TimeoutError, ConnectionError) as error:
        closed = isinstance(error, ConnectionError)
    return RawAnswer(answer.status, head, body, closed)


def get(target: str | bytes, *headers: str, host: str = "localhost") -> bytes:
    """A GET request for a target that nobody puts in order first."""
    target = target if isinstance(target, bytes) else target.encode()
    lines = [f"Host: {host}", "Accept: application/json", *headers, "Connection: close", "", ""]
    return b"GET " + target + b" HTTP/1.1\r\n" + "\r\n".join(lines).encode("latin-1")
