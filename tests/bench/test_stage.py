"""What is measured on is there when it is needed, and gone afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from ops.bench.stage import Stage, start_together
from ops.problems import Problem
from tests.stack.conftest import is_gone, until

pytestmark = pytest.mark.xdist_group("bench")


async def test_what_is_acknowledged_is_durable(stage: Stage) -> None:
    async with stage.database("test_durable") as database, database.owner() as conn:
        settings = [await conn.fetchval(f"show {name}") for name in ("synchronous_commit", "fsync", "full_page_writes")]
    assert settings == ["on", "on", "on"]


async def test_a_database_is_migrated_and_dropped_again(stage: Stage) -> None:
    async with stage.database("test_migrated") as database, database.owner() as conn:
        assert await conn.fetchval("select count(*) from audit.events") == 0
    async with stage.database("test_other") as database, database.owner() as conn:
        assert not await conn.fetchval("select true from pg_database where datname = 'test_migrated'")


async def test_a_process_that_cannot_measure_says_why(stage: Stage) -> None:
    async with stage.child("ops.bench.child_hash", store_url="postgresql://nobody:nothing@127.0.0.1:1/none") as child:
        with pytest.raises(Problem, match=r"child_hash ended before it had measured anything: .*refused"):
            await start_together([child])
    assert is_gone(child.pid)


async def test_no_secret_is_among_a_process_arguments(stage: Stage) -> None:
    async with (
        stage.database("test_arguments") as database,
        stage.child("ops.bench.child_hash", store_url=database.url) as child,
    ):
        await child.hear()
        assert psutil.Process(child.pid).cmdline() == [sys.executable, "-m", "ops.bench.child_hash"]
        await child.tell(go=True)
        assert (await child.hear())["rows"] == 0


@pytest.fixture
def running() -> Iterator[subprocess.Popen[bytes]]:
    """A bench in the middle of its work."""
    command = [sys.executable, "-m", "ops.bench", "latency", "--seconds", "60"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # A shell has what it starts in the background ignore this signal, the tests among it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - takes no lock
    )
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
async def test_a_bench_that_is_stopped_leaves_no_process(running: subprocess.Popen[bytes], end: signal.Signals) -> None:
    def works() -> bool:
        return any("child_publisher" in " ".join(p.cmdline()) for p in psutil.Process(running.pid).children())

    assert await asyncio.to_thread(until, works, 60)
    family = [p.pid for p in psutil.Process(running.pid).children(recursive=True)]
    os.kill(running.pid, end)
    await asyncio.to_thread(running.wait, 60)
    assert await asyncio.to_thread(until, lambda: all(map(is_gone, family)), 60)
