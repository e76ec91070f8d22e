"""The checks behind /readyz."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from shared.http.keys import READINESS
from shared.http.readiness import NotReady, Phase, Readiness
from tests.http.conftest import MakeClient


class Check:
    """Counts its runs; fails or hangs as told."""

    def __init__(self, error: Exception | None = None, seconds: float = 0) -> None:
        self.error = error
        self.seconds = seconds
        self.runs = 0

    async def __call__(self) -> None:
        self.runs += 1
        await asyncio.sleep(self.seconds)
        if self.error is not None:
            raise self.error


async def test_everything_that_is_missing_is_named_without_secrets() -> None:
    readiness = Readiness(
        {
            "database": Check(OSError("connect postgresql://portico:hunter2@db/portico")),
            "redis": Check(NotReady("loading its data")),
            "mail": Check(seconds=5),
            "keys": Check(),
        },
        timeout_seconds=0.05,
    )
    assert await readiness.missing() == {
        "database": "not available (OSError)",
        "redis": "loading its data",
        "mail": "no answer within 0.05 s",
    }


async def test_checks_run_at_the_same_time_and_once_for_all_who_ask() -> None:
    now = 0.0
    checks = {str(number): Check(seconds=0.05) for number in range(10)}
    readiness = Readiness(checks, monotonic=lambda: now)
    async with asyncio.timeout(0.4):
        await asyncio.gather(*(readiness.missing() for _ in range(10)))
    await readiness.missing()
    assert {check.runs for check in checks.values()} == {1}
    now = 1.0
    await readiness.missing()
    assert {check.runs for check in checks.values()} == {2}


async def test_a_probe_that_gives_up_does_not_disturb_the_others() -> None:
    readiness = Readiness({"slow": Check(seconds=0.05)})
    impatient = asyncio.create_task(readiness.missing())
    patient = asyncio.create_task(readiness.missing())
    await asyncio.sleep(0.01)
    impatient.cancel()
    assert await patient == {}
    with pytest.raises(asyncio.CancelledError):
        await impatient


async def test_changes_are_logged_once() -> None:
    now = 0.0
    check = Check(NotReady("off"))
    readiness = Readiness({"database": check}, monotonic=lambda: now)
    with capture_logs() as logs:
        for second in range(4):
            now = float(second)
            check.error = NotReady("off") if second < 2 else None
            await readiness.missing()
    assert [(entry["event"], entry.get("missing")) for entry in logs] == [
        ("readiness changed", {"database": "off"}),
        ("ready", None),
    ]


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.DRAINING])
async def test_a_process_that_starts_or_drains_is_not_ready_whatever_its_checks_say(phase: Phase) -> None:
    check = Check()
    readiness = Readiness({"database": check})
    readiness.phase = phase
    assert await readiness.missing() == {"process": phase.value}
    assert check.runs == 0
    assert not readiness.accepting


async def test_the_application_answers_both_probes(make_client: MakeClient) -> None:
    client = await make_client()
    assert await (await client.get("/healthz")).json() == {"alive": True}
    assert await (await client.get("/readyz")).json() == {"ready": True, "missing": {}}
    assert client.app is not None
    client.app[READINESS].use({"database": Check(NotReady("off"))})
    answer = await client.get("/readyz")
    assert (answer.status, await answer.json()) == (503, {"ready": False, "missing": {"database": "off"}})
    assert answer.headers["Cache-Control"] == "no-store"
