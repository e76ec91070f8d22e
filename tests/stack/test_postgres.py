"""The embedded PostgreSQL, with real server processes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import psutil
import pytest

from ops.problems import Problem
from ops.stack.account import Account, server_account
from ops.stack.postgres import EmbeddedPostgres
from tests.stack.conftest import eventually, is_gone, until

PASSWORD = "correct horse/battery@staple"

STARTER = """
import asyncio, json, sys
from pathlib import Path
from ops.stack.postgres import EmbeddedPostgres
from ops.stack.watchdog import Watchdog

async def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with Watchdog() as watchdog:
        server = EmbeddedPostgres(folder, password="pw" if folder else None, durable=False, watchdog=watchdog)
        async with server:
            print(json.dumps({"server": server.pid, "watchdog": watchdog.pid, "folder": str(server.folder)}), flush=True)
            await asyncio.Event().wait()

asyncio.run(main())
"""


def start_elsewhere(*arguments: str) -> tuple[subprocess.Popen[str], dict[str, str | int]]:
    starter = subprocess.Popen([sys.executable, "-c", STARTER, *arguments], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    with starter.stdout as output:
        return starter, json.loads(output.readline())


async def value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_it_is_a_real_server_that_asks_everybody_for_a_password() -> None:
    async with EmbeddedPostgres(durable=False) as server:
        assert str(await value(server.url, "SHOW server_version")).startswith("18.")
        assert await value(server.url, "SHOW listen_addresses") == "127.0.0.1"
        assert await value(server.url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is True
        assert str(
            await value(server.url, "SELECT rolpassword FROM pg_authid WHERE rolpassword IS NOT NULL")
        ).startswith("SCRAM-SHA-256$")
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(server.url, password="something else")


async def test_it_runs_unprivileged_and_shows_its_password_to_nobody() -> None:
    async with EmbeddedPostgres(durable=False, password=PASSWORD) as server:
        assert server.pid is not None
        process = psutil.Process(server.pid)
        assert process.uids().real == server_account().uid != 0
        assert process.gids().real == server_account().gid
        assert "horse" not in " ".join(process.cmdline())
        assert server.folder.stat().st_mode & 0o777 == 0o700
        # The file that initdb read the password from is gone.
        assert {path.name for path in server.folder.parent.iterdir()} == {"postgres.log", "postgres"}


async def test_data_is_kept_from_one_start_to_the_next(folder: Path) -> None:
    async with EmbeddedPostgres(folder / "postgres", password=PASSWORD) as server:
        assert await value(server.url, "SHOW fsync") == "on"
        await value(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    async with EmbeddedPostgres(folder / "postgres", password=PASSWORD) as server:
        assert await value(server.url, "SELECT answer FROM kept") == 42


async def test_throw_away_data_and_every_process_are_gone_at_the_end() -> None:
    async with EmbeddedPostgres(durable=False) as server:
        assert server.pid is not None
        family = [server.pid, *(child.pid for child in psutil.Process(server.pid).children(recursive=True))]
        place = server.folder.parent
        left_open = await asyncpg.connect(server.url)
    left_open.terminate()
    assert await eventually(lambda: all(is_gone(pid) for pid in family))
    assert not place.exists()


async def test_a_folder_name_may_be_long_and_hold_spaces(folder: Path) -> None:
    deep = folder / ("a folder with a long name " * 5).strip()
    deep.mkdir(mode=0o711)
    async with EmbeddedPostgres(deep / "postgres", password="pw", durable=False) as server:
        assert await value(server.url, "SELECT 1") == 1


async def test_a_killed_server_can_be_started_again_where_its_clients_look_for_it() -> None:
    async with EmbeddedPostgres(durable=False) as server:
        url, first = server.url, server.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert await server.wait() == "was killed by SIGKILL"
        for _ in range(50):
            # The killed server's own children need a moment to notice.
            try:
                await server.start()
                break
            except Problem:
                await asyncio.sleep(0.1)
        assert server.url == url
        assert server.pid not in (None, first)
        assert await value(url, "SELECT 1") == 1


def test_nothing_stays_behind_when_the_starting_process_is_killed() -> None:
    starter, started = start_elsewhere()
    starter.kill()
    starter.wait()
    assert until(lambda: is_gone(int(started["server"])))
    assert until(lambda: is_gone(int(started["watchdog"])))
    assert not Path(str(started["folder"])).parent.exists()


async def test_a_server_that_even_the_watchdog_could_not_stop_is_stopped_at_the_next_start(folder: Path) -> None:
    starter, started = start_elsewhere(str(folder / "postgres"))
    starter.send_signal(signal.SIGSTOP)
    os.kill(int(started["watchdog"]), signal.SIGKILL)
    starter.kill()
    starter.wait()
    assert not is_gone(int(started["server"]))
    async with EmbeddedPostgres(folder / "postgres", password="pw", durable=False) as server:
        assert is_gone(int(started["server"]))
        assert await value(server.url, "SELECT 1") == 1


async def test_data_of_another_version_is_told_in_one_sentence(folder: Path) -> None:
    data = folder / "postgres"
    data.mkdir(mode=0o700)
    (data / "PG_VERSION").write_text("16\n")
    server_account().own(data)
    with pytest.raises(Problem, match=r"was written by PostgreSQL 16 and PostgreSQL 18 is installed: choose another"):
        await EmbeddedPostgres(data, password="pw").start()


async def test_data_of_another_user_is_told_in_one_sentence(folder: Path) -> None:
    data = folder / "postgres"
    data.mkdir(mode=0o700)
    stranger = Account("somebody", os.geteuid() + 1, os.getegid())
    with pytest.raises(Problem, match=r"belongs to the user \S+, and PostgreSQL would run as somebody"):
        await EmbeddedPostgres(data, password="pw", account=stranger).start()


async def test_something_else_in_the_folder_is_left_alone(folder: Path) -> None:
    data = folder / "postgres"
    data.mkdir(mode=0o700)
    (data / "letter.txt").write_text("dear")
    server_account().own(data)
    with pytest.raises(Problem, match="holds something else than PostgreSQL data"):
        await EmbeddedPostgres(data, password="pw").start()
    assert (data / "letter.txt").read_text() == "dear"


async def test_a_creation_that_was_killed_halfway_is_begun_anew(folder: Path) -> None:
    halfway = folder / "postgres.new"
    halfway.mkdir(mode=0o700)
    (halfway / "PG_VERSION").write_text("18\n")
    async with EmbeddedPostgres(folder / "postgres", password="pw", durable=False) as server:
        assert await value(server.url, "SELECT 1") == 1
    assert not halfway.exists()


async def test_a_damaged_installation_is_told_with_the_reason_and_the_log(folder: Path) -> None:
    async with EmbeddedPostgres(folder / "postgres", password="pw", durable=False):
        pass
    shutil.rmtree(folder / "postgres" / "global")
    with pytest.raises(Problem, match=r"PostgreSQL did not start: .*postgres\.log"):
        await EmbeddedPostgres(folder / "postgres", password="pw").start()
