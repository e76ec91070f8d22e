"""The watchdog stops what a killed process leaves, in order; the lock waits for it."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ops.problems import Problem
from ops.stack.lock import DataLock
from ops.stack.watchdog import Watchdog
from ops.stack.watchdog_main import MARKER, kill_marked
from tests.stack.conftest import eventually, is_gone, until

# Starts two processes that write when they are told to stop; the first ignores the polite signal.
STARTER = """
import asyncio, json, os, signal, subprocess, sys
from pathlib import Path
from ops.stack.lock import DataLock
from ops.stack.watchdog import Watchdog

CHILD = '''
import signal, sys, time
def told(*_):
    open(sys.argv[1], "a").write(sys.argv[2] + " ")
    if sys.argv[3] == "polite":
        sys.exit()
signal.signal(signal.SIGTERM, told)
print("up", flush=True)
time.sleep(600)
'''

async def main():
    data = Path(sys.argv[1])
    async with DataLock(data, print) as lock:
        with Watchdog("none", keep_open=(lock.descriptor,)) as watchdog:
            pids = []
            for name, manner, rank in (("service", "stubborn", 3), ("server", "polite", 0)):
                command = [sys.executable, "-c", CHILD, str(data / "order"), name, manner]
                child = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
                child.stdout.readline()
                watchdog.add(child.pid, rank=rank, plan=[(signal.SIGTERM, 0.5), (signal.SIGKILL, 5)])
                pids.append(child.pid)
            watchdog.discard(data / "rubbish")
            print(json.dumps({"children": pids, "watchdog": watchdog.pid}), flush=True)
            await asyncio.Event().wait()

asyncio.run(main())
"""


@dataclass
class Started:
    starter: subprocess.Popen[str]
    children: list[int]
    watchdog: int


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Started]:
    starter = subprocess.Popen([sys.executable, "-c", STARTER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    with starter.stdout as output:
        told = json.loads(output.readline())
    yield Started(starter, told["children"], told["watchdog"])
    killed(starter)


def killed(starter: subprocess.Popen[str]) -> None:
    starter.kill()
    starter.wait()


def test_what_a_killed_process_leaves_is_stopped_in_order(started: Started, tmp_path: Path) -> None:
    (tmp_path / "rubbish").mkdir()
    killed(started.starter)
    assert until(lambda: is_gone(started.watchdog))
    assert all(map(is_gone, started.children))
    # The server is only told once the stubborn service was killed.
    assert (tmp_path / "order").read_text() == "service server "
    assert not (tmp_path / "rubbish").exists()


def test_signals_to_the_whole_session_do_not_end_it(started: Started) -> None:
    assert os.getsid(started.watchdog) == started.watchdog
    assert until(lambda: ignores(started.watchdog, signal.SIGHUP))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(started.watchdog, number)
    assert not until(lambda: is_gone(started.watchdog), seconds=0.3)
    killed(started.starter)
    assert until(lambda: all(map(is_gone, (*started.children, started.watchdog))))


def ignores(pid: int, number: int) -> bool:
    """Whether the process has come so far that it ignores the signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    return bool(int(status.partition("SigIgn:")[2].split()[0], 16) >> (number - 1) & 1)


async def test_the_lock_lasts_until_the_orphans_are_stopped(started: Started, tmp_path: Path) -> None:
    holder = started.starter.pid
    with pytest.raises(Problem, match=rf"in use by another `portico up` \(process {holder}\): stop it, or choose"):
        await DataLock(tmp_path, print).__aenter__()
    killed(started.starter)
    said: list[str] = []
    async with DataLock(tmp_path, said.append):
        assert all(map(is_gone, started.children))
    assert all("was killed; waiting until all of it has stopped" in line for line in said)


async def test_a_free_lock_is_taken_at_once_and_again(tmp_path: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        async with DataLock(tmp_path, said.append):
            with pytest.raises(Problem, match="in use by another"):
                await DataLock(tmp_path, said.append).__aenter__()
    assert said == []


async def test_a_watchdog_that_dies_is_replaced_by_one_that_knows_everything() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        with Watchdog() as watchdog:
            watchdog.add(child.pid, rank=0, plan=[(signal.SIGKILL, 5)])
            first = watchdog.pid
            os.kill(first, signal.SIGKILL)
            assert await eventually(lambda: watchdog.pid != first)
            second = watchdog.pid
            # Its input ends as if this process were killed.
            await asyncio.sleep(0.2)
            os.close(watchdog._pipe)
            watchdog._pipe = os.open(os.devnull, os.O_WRONLY)
            assert await asyncio.to_thread(child.wait, 10) == -signal.SIGKILL
            assert await eventually(lambda: is_gone(second))
    finally:
        child.kill()
        child.wait()


def test_a_goodbye_leaves_everything_running() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        with Watchdog() as watchdog:
            watchdog.add(child.pid, rank=0, plan=[(signal.SIGKILL, 5)])
        assert is_gone(watchdog.pid)
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_strays_are_found_by_their_marker() -> None:
    marker = secrets.token_hex(8)
    commands = [sys.executable, "-c", "import time; print(flush=True); time.sleep(600)"]
    stray = subprocess.Popen(commands, env=os.environ | {MARKER: marker}, stdout=subprocess.PIPE)
    other = subprocess.Popen(commands, env=os.environ | {MARKER: f"{marker}0"}, stdout=subprocess.PIPE)
    try:
        for child in (stray, other):
            assert child.stdout is not None
            with child.stdout as output:
                output.readline()
        assert kill_marked(marker) == [stray.pid]
        assert stray.wait(10) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
