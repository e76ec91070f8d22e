"""What the proxy does to connections is what it says."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator

import pytest

from tests.faults.proxy import Mode, Proxy

_SHORT_SECONDS = 0.2


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1000):
            writer.write(data)
    except ConnectionError:
        pass
    finally:
        writer.close()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """In front of a server that repeats what it is told."""
    server = await asyncio.start_server(_echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with Proxy(f"tcp://user:secret@127.0.0.1:{port}/path") as found:
        yield found
    server.close()


class _Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def of(cls, proxy: Proxy) -> _Client:
        return cls(*await asyncio.open_connection("127.0.0.1", proxy.port))

    async def ask(self, text: bytes = b"hello") -> bytes:
        self.writer.write(text)
        return await self.reader.read(1000)


async def test_everything_passes_at_first(proxy: Proxy) -> None:
    client = await _Client.of(proxy)

    assert await client.ask() == b"hello"
    assert proxy.url == f"tcp://user:secret@127.0.0.1:{proxy.port}/path"
    client.writer.close()


async def test_a_reset_ends_open_and_new_connections_with_an_error(proxy: Proxy) -> None:
    client = await _Client.of(proxy)
    assert await client.ask() == b"hello"

    await proxy.set(Mode.RESET)

    with pytest.raises(ConnectionResetError):
        await client.reader.read(1)
    client.writer.close()
    late = await _Client.of(proxy)
    with pytest.raises(ConnectionResetError):
        await late.reader.read(1)
    late.writer.close()


async def test_a_client_that_ends_with_a_reset_is_gone_for_the_server_too() -> None:
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"ready")
        try:
            await reader.read()
        except ConnectionResetError:
            gone.set()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with Proxy(f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}") as proxy:
        client = await _Client.of(proxy)
        assert await client.reader.read(5) == b"ready"
        linger = struct.pack("ii", 1, 0)
        client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        client.writer.transport.abort()
        async with asyncio.timeout(5):
            await gone.wait()
    server.close()


async def test_a_black_hole_keeps_what_was_said_until_it_is_over(proxy: Proxy) -> None:
    client = await _Client.of(proxy)
    assert await client.ask() == b"hello"

    await proxy.set(Mode.BLACK_HOLE)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(_SHORT_SECONDS):
            await client.ask(b"again")
    await proxy.set(Mode.PASS)

    assert await client.reader.read(1000) == b"again"
    client.writer.close()


async def test_half_closed_the_client_reads_an_end_and_may_still_write(proxy: Proxy) -> None:
    client = await _Client.of(proxy)
    assert await client.ask() == b"hello"

    await proxy.set(Mode.HALF_CLOSE)

    assert await client.reader.read(1) == b""
    client.writer.write(b"more")
    await client.writer.drain()
    client.writer.close()


async def test_refused_connections_come_through_again_afterwards(proxy: Proxy) -> None:
    client = await _Client.of(proxy)
    assert await client.ask() == b"hello"

    await proxy.set(Mode.REFUSE)

    assert await client.reader.read(1) == b""
    client.writer.close()
    with pytest.raises(ConnectionRefusedError):
        await _Client.of(proxy)
    await proxy.set(Mode.PASS)
    again = await _Client.of(proxy)
    assert await again.ask() == b"hello"
    again.writer.close()


async def test_latency_holds_up_what_passes(proxy: Proxy) -> None:
    await proxy.set(Mode.LATENCY, latency=_SHORT_SECONDS)
    client = await _Client.of(proxy)
    began = asyncio.get_running_loop().time()

    assert await client.ask() == b"hello"

    # Once for the connection, once each way.
    assert asyncio.get_running_loop().time() - began >= 2 * _SHORT_SECONDS
    client.writer.close()
