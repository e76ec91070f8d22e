"""A TCP proxy in front of a server, whose behaviour is changed while it runs: what networks do to connections."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from enum import StrEnum
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_CHUNK = 65_536
# On, and zero seconds: closing drops what is unsent and says RST instead of FIN.
_NO_LINGER = struct.pack("ii", 1, 0)


class Mode(StrEnum):
    """What the proxy does to connections, those that are open and those that come."""

    PASS = "pass"
    LATENCY = "latency"
    # Everything is cut with RST, new connections right after they were accepted.
    RESET = "reset"
    # Connections stay and are accepted; nothing comes through until the mode changes, as in a partition that heals.
    BLACK_HOLE = "black hole"
    # Clients read an end of file; what they write still arrives, and may be done.
    HALF_CLOSE = "half-close"
    # Nobody listens.
    REFUSE = "refuse"


class _Link:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._reader = reader
        self._writer = writer
        self._far: asyncio.StreamWriter | None = None

    async def run(self) -> None:
        """Copy both ways until either side ends."""
        try:
            await self._proxy.passage()
            far_reader, self._far = await asyncio.open_connection(*self._proxy.target)
            if self._proxy.mode is Mode.HALF_CLOSE:
                self.half_close()
            await asyncio.gather(self._copy(self._reader, self._far), self._copy(far_reader, self._writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.abort()

    def half_close(self) -> None:
        """Tell the client that nothing more will come."""
        with suppress(OSError, RuntimeError):
            self._writer.write_eof()

    def reset(self) -> None:
        """End both connections with RST."""
        for writer in self._both():
            with suppress(OSError, AttributeError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.abort()

    def abort(self) -> None:
        """End both connections at once."""
        for writer in self._both():
            writer.transport.abort()

    def _both(self) -> list[asyncio.StreamWriter]:
        return [writer for writer in (self._writer, self._far) if writer is not None]

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(_CHUNK):
                await self._proxy.passage()
                if writer is self._writer and self._proxy.mode is Mode.HALF_CLOSE:
                    # The client was told that this would not come.
                    continue
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except (OSError, RuntimeError):
            # A side that is gone without a goodbye, as a killed process is: the other one must learn of it.
            self.reset()


class Proxy:
    """Forwards a port of its own to the server of ``url``, in a :class:`Mode`."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        if self._url.hostname is None or self._url.port is None:
            raise ValueError("a proxy needs a host and a port to forward to")
        self.target = (self._url.hostname, self._url.port)
        self.mode = Mode.PASS
        self.port = 0
        self.accepted = 0
        self._latency = 0.0
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._refuse()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """The same URL with our port in it."""
        user, at, _ = self._url.netloc.rpartition("@")
        return self._url._replace(netloc=f"{user}{at}127.0.0.1:{self.port}").geturl()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._links)

    async def set(self, mode: Mode, *, latency: float = 0.0) -> None:
        """Behave so from now on; ``latency`` is in seconds for each chunk and direction."""
        self.mode, self._latency = mode, latency
        if mode is Mode.BLACK_HOLE:
            self._open.clear()
        else:
            self._open.set()
        if mode is Mode.REFUSE:
            await self._refuse()
        else:
            await self._listen()
        for link in tuple(self._links):
            if mode is Mode.RESET:
                link.reset()
            elif mode is Mode.HALF_CLOSE:
                link.half_close()

    async def passage(self) -> None:
        """Wait until something may come through."""
        if self.mode is Mode.LATENCY:
            await asyncio.sleep(self._latency)
        await self._open.wait()

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for link in tuple(self._links):
            link.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        link = _Link(self, reader, writer)
        if self.mode is Mode.RESET:
            link.reset()
            return
        task = asyncio.current_task()
        assert task is not None
        self._links.add(link)
        self._tasks.add(task)
        try:
            await link.run()
        except asyncio.CancelledError:
            # The proxy ends: nothing to tell the stream server's own callback.
            return
        finally:
            self._links.discard(link)
            self._tasks.discard(task)
