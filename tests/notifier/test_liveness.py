"""A worker that has gone silent is noticed; one whose broker is away is left in peace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.notifier.liveness import Liveness
from shared.http.readiness import NotReady, Readiness


class Parts:
    """What a readiness with these checks finds missing."""

    def __init__(self) -> None:
        self.missing: set[str] = set()
        self.readiness = Readiness(
            {name: self._check(name) for name in ("worker", "broker", "database")}, remember_seconds=0
        )

    def _check(self, name: str):  # type: ignore[no-untyped-def]
        async def check() -> None:
            if name in self.missing:
                raise NotReady("away")

        return check


@pytest.fixture
def parts() -> Parts:
    return Parts()


@pytest.fixture
def heartbeat(tmp_path: Path) -> Path:
    return tmp_path / "heartbeat"


@pytest.fixture
async def liveness(parts: Parts, heartbeat: Path) -> AsyncIterator[Liveness]:
    found = Liveness(parts.readiness, heartbeat_file=heartbeat, look_seconds=0.02, stalled_seconds=0.15)
    running = asyncio.create_task(found.run())
    yield found
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not heartbeat.exists(), "it is taken away at the end"


async def touched(heartbeat: Path) -> bool:
    heartbeat.unlink(missing_ok=True)
    await asyncio.sleep(0.08)
    return heartbeat.exists()


async def test_a_worker_that_consumes_has_a_heartbeat(liveness: Liveness, heartbeat: Path) -> None:
    assert await touched(heartbeat)
    assert not liveness.stalled.is_set()


@pytest.mark.parametrize("missing", [{"database"}, {"worker", "broker"}, {"worker", "broker", "database"}])
async def test_what_a_restart_would_not_mend_leaves_the_heartbeat(
    liveness: Liveness, parts: Parts, heartbeat: Path, missing: set[str]
) -> None:
    parts.missing = missing
    await asyncio.sleep(0.2)
    assert await touched(heartbeat)
    assert not liveness.stalled.is_set()


async def test_a_worker_that_is_silent_while_its_broker_answers_is_given_up(
    liveness: Liveness, parts: Parts, heartbeat: Path
) -> None:
    parts.missing = {"worker"}
    await asyncio.sleep(0.04)
    assert not await touched(heartbeat)
    assert not liveness.stalled.is_set()
    parts.missing = set()
    await asyncio.sleep(0.04)
    parts.missing = {"worker"}
    await asyncio.sleep(0.1)
    assert not liveness.stalled.is_set(), "the time counts from the last sign of life"
    await asyncio.wait_for(liveness.stalled.wait(), 2)
