"""Starting, restarting and stopping processes, on real small ones."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ops.problems import Problem
from ops.stack import supervisor as supervision
from ops.stack.process import last_lines, rotate
from ops.stack.service import ServiceProcess
from ops.stack.supervisor import Pauses, Supervisor
from tests.stack.conftest import eventually, is_gone


class Watched:
    """A supervisor with everything that it said and did."""

    def __init__(self, logs: Path) -> None:
        self.said: list[str] = []
        self.changes: list[dict[str, list[int]]] = []
        self.pauses: list[float] = []
        self.now = 0.0
        self.manner = "ready"
        self.logs = logs
        self.supervisor = Supervisor(
            say=self.said.append,
            changed=lambda: self.changes.append(self.supervisor.pids()),
            pauses=Pauses(first=0.5, longest=4.0, forgiven_after=60.0),
            clock=lambda: self.now,
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0.01)

    def unit(self, service: str = "admin", number: int = 1, rank: int = 3) -> ServiceProcess:
        return ServiceProcess(
            service=service,
            number=number,
            module="tests.stack.small_service",
            settings=lambda port: os.environ | {"PROBE_PORT": str(port), "MANNER": self.manner},
            logs=self.logs,
            rank=rank,
        )


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    found = Watched(tmp_path)
    yield found
    hurry = asyncio.Event()
    hurry.set()
    await found.supervisor.stop(hurry)


async def test_units_are_ready_once_started_and_gone_once_stopped(watched: Watched) -> None:
    units = [watched.unit("admin", 1), watched.unit("audit", 1), watched.unit("audit", 2)]
    await watched.supervisor.start(*units)
    pids = watched.supervisor.pids()
    assert {service: len(found) for service, found in pids.items()} == {"admin": 1, "audit": 2}
    assert watched.changes[-1] == pids
    assert len({unit.probe_url for unit in units}) == 3
    assert last_lines(watched.logs / "audit-2.log") == ["started"]
    await watched.supervisor.stop()
    assert all(is_gone(pid) for found in pids.values() for pid in found)
    assert watched.said == []


async def test_a_killed_process_is_told_and_started_again(watched: Watched) -> None:
    await watched.supervisor.start(watched.unit())
    first = watched.supervisor.pids()["admin"][0]
    os.kill(first, signal.SIGKILL)
    assert await eventually(lambda: watched.supervisor.pids()["admin"] not in ([], [first]) and len(watched.said) == 2)
    second = watched.supervisor.pids()["admin"][0]
    assert watched.said == [
        "admin-1 was killed by SIGKILL; it is started again in 0.5 s.",
        f"admin-1 runs again (process {second}).",
    ]
    assert watched.changes[-2:] == [{"admin": []}, {"admin": [second]}]


async def test_pauses_double_to_a_ceiling_and_are_forgiven_after_a_good_life(watched: Watched) -> None:
    await watched.supervisor.start(watched.unit())
    watched.manner = "dies"
    os.kill(watched.supervisor.pids()["admin"][0], signal.SIGKILL)
    assert await eventually(lambda: len(watched.pauses) >= 6)
    assert watched.pauses[:6] == [0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    assert any("ended with status 1 before it was ready: cannot go on" in line for line in watched.said)

    watched.manner = "ready"
    assert await eventually(lambda: any("runs again" in line for line in watched.said))
    watched.now += 61
    watched.pauses.clear()
    os.kill(watched.supervisor.pids()["admin"][0], signal.SIGTERM)
    assert await eventually(lambda: bool(watched.pauses))
    assert watched.pauses[0] == 0.5


async def test_a_short_life_is_not_forgiven(watched: Watched) -> None:
    await watched.supervisor.start(watched.unit())
    for expected in (0.5, 1.0):
        watched.now += 59
        watched.pauses.clear()
        os.kill(watched.supervisor.pids()["admin"][0], signal.SIGKILL)
        assert await eventually(lambda: bool(watched.pauses) and "runs again" in watched.said[-1])
        assert watched.pauses == [expected]


async def test_wrong_settings_end_the_start_with_what_the_service_said(watched: Watched) -> None:
    watched.manner = "settings"
    with pytest.raises(
        Problem, match=r"admin-1 ended with status 2 before it was ready: PORT is not set .*admin-1\.log"
    ):
        await watched.supervisor.start(watched.unit())
    assert watched.pauses == []


async def test_a_service_that_keeps_dying_at_first_ends_the_start(watched: Watched) -> None:
    watched.manner = "dies"
    with pytest.raises(Problem, match="ended with status 1 before it was ready: cannot go on"):
        await watched.supervisor.start(watched.unit())
    assert len(watched.pauses) == 2


async def test_a_service_that_does_not_become_ready_is_told_with_what_it_lacks(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "_START_SECONDS", 2.0)
    watched.manner = "unready"
    unit = watched.unit()
    with pytest.raises(Problem, match="admin-1 is not ready after 2 s: the database does not answer"):
        await watched.supervisor.start(unit)
    pid = unit.pid
    assert pid is not None
    await watched.supervisor.stop()
    assert is_gone(pid)


async def test_one_that_cannot_start_does_not_leave_the_others_running(watched: Watched) -> None:
    good = watched.unit("portal")
    await watched.supervisor.start(good)
    watched.manner = "dies"
    with pytest.raises(Problem):
        await watched.supervisor.start(watched.unit())
    pid = good.pid
    await watched.supervisor.stop()
    assert pid is not None
    assert is_gone(pid)


async def test_the_highest_rank_stops_first(watched: Watched) -> None:
    order: list[str] = []

    def noting(unit: ServiceProcess) -> ServiceProcess:
        stop: Callable[..., object] = unit.stop

        async def noted(hurry: asyncio.Event | None = None) -> None:
            await stop(hurry)  # type: ignore[misc]
            assert unit.pid is None
            order.append(unit.service)

        unit.stop = noted  # type: ignore[method-assign]
        return unit

    for service, rank in (("postgres", 0), ("valkey", 1), ("admin", 3)):
        await watched.supervisor.start(noting(watched.unit(service, rank=rank)))
    await watched.supervisor.stop()
    assert order == ["admin", "valkey", "postgres"]


async def test_a_stubborn_process_is_killed_when_there_is_a_hurry(watched: Watched) -> None:
    watched.manner = "stubborn"
    await watched.supervisor.start(watched.unit())
    pid = watched.supervisor.pids()["admin"][0]
    hurry = asyncio.Event()
    began = time.monotonic()
    stopping = asyncio.create_task(watched.supervisor.stop(hurry))
    await asyncio.sleep(0.3)
    assert not is_gone(pid)
    hurry.set()
    await stopping
    assert is_gone(pid)
    assert time.monotonic() - began < 10


async def test_nothing_is_started_again_while_stopping(watched: Watched) -> None:
    await watched.supervisor.start(watched.unit())
    first = watched.supervisor.pids()["admin"][0]
    os.kill(first, signal.SIGKILL)
    await watched.supervisor.stop()
    await asyncio.sleep(0.3)
    assert watched.supervisor.pids() == {}
    assert not any("runs again" in line for line in watched.said)


def test_logs_are_rotated_and_the_oldest_is_dropped(tmp_path: Path) -> None:
    log = tmp_path / "admin-1.log"
    for number in range(8):
        log.write_text(f"run {number}")
        rotate(log)
    assert not log.exists()
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {f"admin-1.log.{age}": f"run {8 - age}" for age in range(1, 6)}
