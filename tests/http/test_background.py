"""Loops beside the application, and the measure of the loop that carries them."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from aiohttp import web
from structlog.testing import capture_logs

from shared.http.background import background
from shared.http.metrics import Metrics, watch_loop
from tests.http.conftest import MakeClient

at_once = partial(background, first_pause=0.001, longest_pause=0.01, jitter=lambda: 1.0)


async def test_a_crash_is_logged_and_the_task_started_again() -> None:
    runs = 0
    steady = asyncio.Event()

    async def task() -> None:
        nonlocal runs
        runs += 1
        if runs < 3:
            raise RuntimeError("the stream went away")
        steady.set()
        await asyncio.Event().wait()

    with capture_logs() as logs:
        async with at_once(task, "relay"):
            await asyncio.wait_for(steady.wait(), 2)
    crashes = [entry for entry in logs if entry["event"] == "background task crashed"]
    assert [(entry["task"], entry["retry_in_seconds"]) for entry in crashes] == [("relay", 0.0), ("relay", 0.0)]
    assert runs == 3


async def test_pauses_grow_to_a_limit() -> None:
    async def task() -> None:
        raise RuntimeError

    with capture_logs() as logs:
        async with background(task, "relay", first_pause=0.01, longest_pause=0.04, jitter=lambda: 1.0):
            await asyncio.sleep(0.2)
    pauses = [entry["retry_in_seconds"] for entry in logs]
    assert pauses[:4] == [0.01, 0.02, 0.04, 0.04]


async def test_the_end_cancels_the_task_and_waits_for_it() -> None:
    events: list[str] = []
    begun = asyncio.Event()

    async def task() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            events.append("tidied up")

    async with at_once(task, "relay"):
        await begun.wait()
    assert events == ["tidied up"]


async def test_a_task_that_returns_is_finished() -> None:
    runs = 0

    async def task() -> None:
        nonlocal runs
        runs += 1

    async with at_once(task, "backfill"):
        await asyncio.sleep(0.02)
    assert runs == 1


async def test_it_lives_as_long_as_the_application(make_client: MakeClient) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def task() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    app_client = await make_client()
    app = web.Application()
    app.cleanup_ctx.append(lambda _: at_once(task, "relay"))
    runner = web.AppRunner(app)
    await runner.setup()
    await asyncio.wait_for(begun.wait(), 1)
    assert not ended.is_set()
    await runner.cleanup()
    assert ended.is_set()
    await app_client.close()


async def test_a_blocked_loop_shows_as_lag() -> None:
    metrics = Metrics()
    async with watch_loop(metrics, interval_seconds=0.02):
        await asyncio.sleep(0.01)
        time.sleep(0.1)
        await asyncio.sleep(0.005)
    lag = metrics.registry.get_sample_value("portico_event_loop_lag_seconds")
    assert lag is not None
    assert 0.05 < lag < 0.5
