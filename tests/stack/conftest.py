"""What the tests of the local stack share."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from ops.problems import Problem
from ops.stack.account import server_account
from ops.stack.placement import temporary_folder
from ops.stack.ports import free_port, reserve


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary folder that the servers' account can enter, which pytest's own are closed to."""
    path = temporary_folder(server_account())
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def base() -> int:
    """A base whose ports are free, below those that the system hands out by itself."""
    for candidate in range(20_000 + free_port() % 1_000 * 10, 32_000, 10):
        try:
            reserve(candidate, mailbox=True, say=print).close()
        except Problem:
            continue
        return candidate
    raise AssertionError("this machine has no free ports")


def is_gone(pid: int) -> bool:
    """Whether the process has ended; one that nobody has waited for yet counts as ended."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Wait for a condition outside of an event loop; whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


async def eventually(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Wait for a condition while the event loop runs; whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True
