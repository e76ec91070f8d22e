"""HTTP over a connection that is kept, at little cost to the machine that is measured."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from typing import Self

_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_COME_AGAIN = re.compile(rb"retry-after: *[1-9]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back. ``come_again``: it says when to try again."""

    status: int
    come_again: bool


class Connection:
    """One request at a time; connects anew when the server has closed."""

    def __init__(self, host: str, port: int) -> None:
        self._where = (host, port)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._close()

    async def open(self) -> None:
        """Connect before there is anything to ask. Raises OSError."""
        self._streams = await asyncio.open_connection(*self._where)

    async def ask(self, request: bytes) -> Answered:
        """Send a whole request. Raises OSError and EOFError when the connection is lost."""
        reader, writer = self._streams or await asyncio.open_connection(*self._where)
        self._streams = reader, writer
        try:
            writer.write(request)
            head = await reader.readuntil(_HEAD_END)
            length = _LENGTH.search(head)
            await reader.readexactly(int(length[1]) if length else 0)
        except BaseException:
            self._close()
            raise
        if b"connection: close" in head.lower():
            self._close()
        return Answered(int(head[9:12]), _COME_AGAIN.search(head) is not None)

    def _close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """A request as it stands on the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body
