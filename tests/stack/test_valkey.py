"""The embedded Valkey, with real server processes."""

from __future__ import annotations

import socket
from pathlib import Path

import psutil
import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

from ops.stack.account import server_account
from ops.stack.ports import free_port
from ops.stack.postgres import EmbeddedPostgres
from ops.stack.valkey import EmbeddedValkey
from tests.stack.conftest import eventually, is_gone


async def test_it_asks_for_a_password_and_shows_it_to_nobody() -> None:
    async with EmbeddedValkey(durable=False, password='correct "horse\\@battery') as server:
        async with Redis.from_url(server.url) as client:
            assert await client.ping()
            assert (await client.config_get("bind"))["bind"] == "127.0.0.1"
        async with Redis(host="127.0.0.1", port=server.port) as stranger:
            with pytest.raises(AuthenticationError):
                await stranger.ping()
        assert server.pid is not None
        process = psutil.Process(server.pid)
        assert process.uids().real == server_account().uid != 0
        assert "horse" not in " ".join(process.cmdline())
        assert all(b"horse" not in path.read_bytes() for path in server.folder.parent.rglob("*") if path.is_file())


async def test_data_is_kept_from_one_start_to_the_next(folder: Path) -> None:
    async with EmbeddedValkey(folder / "valkey", password="one") as server, Redis.from_url(server.url) as client:
        assert (await client.config_get("appendfsync"))["appendfsync"] == "everysec"
        await client.set("kept", "yes")
    async with EmbeddedValkey(folder / "valkey", password="two") as server, Redis.from_url(server.url) as client:
        assert await client.get("kept") == b"yes"


async def test_throw_away_data_and_the_process_are_gone_at_the_end() -> None:
    async with EmbeddedValkey(durable=False) as server:
        pid, place = server.pid, server.folder.parent
    assert pid is not None
    assert await eventually(lambda: is_gone(pid))
    assert not place.exists()


async def test_databases_are_addressed_by_number() -> None:
    async with EmbeddedValkey(durable=False) as server:
        async with Redis.from_url(server.url_of(1)) as client:
            await client.set("here", "1")
        async with Redis.from_url(server.url) as client:
            assert await client.get("here") is None


@pytest.mark.parametrize("server", [EmbeddedValkey, EmbeddedPostgres])
async def test_a_port_that_was_snatched_away_is_replaced_by_another(
    server: type[EmbeddedValkey | EmbeddedPostgres], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as snatched:
        snatched.bind(("127.0.0.1", 0))
        snatched.listen()
        offered = iter([snatched.getsockname()[1], free_port()])
        monkeypatch.setattr("ops.stack.server.free_port", lambda: next(offered))
        async with server(durable=False) as running:
            assert running.port not in (0, snatched.getsockname()[1])
