"""Probes from the start, the traffic port only while ready, an orderly end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientConnectionError, ClientSession, web
from structlog.testing import capture_logs

from shared.http.keys import READINESS
from shared.http.readiness import Check, NotReady, Readiness
from shared.http.server import run, serve
from shared.settings import ServiceSettings
from tests.http.conftest import small_app

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 8) -> None:
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, "it did not come to that"
        await asyncio.sleep(0.01)


class Outside:
    """Asks a service from outside, each time on a new connection unless told otherwise."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.traffic = f"http://127.0.0.1:{settings.port}"
        self.probe = f"http://127.0.0.1:{settings.probe_port}"

    async def get(self, url: str) -> tuple[int, Any]:
        """Status and content; 0 when nobody listens."""
        try:
            async with ClientSession() as session, session.get(url) as response:
                text = await response.text()
                return response.status, json.loads(text) if "json" in response.content_type else text
        except ClientConnectionError:
            return 0, None

    async def is_open(self) -> bool:
        return (await self.get(f"{self.traffic}/healthz"))[0] == 200

    async def is_closed(self) -> bool:
        return (await self.get(f"{self.traffic}/healthz"))[0] == 0

    async def readyz(self) -> tuple[int, Any]:
        return await self.get(f"{self.probe}/readyz")

    async def is_starting(self) -> bool:
        return await self.readyz() == (503, {"ready": False, "missing": {"process": "starting"}})


def run_service(
    app: web.Application,
    drive: Callable[[Outside], Awaitable[None]],
    *,
    checks: Mapping[str, Check] | None = None,
    settings: ServiceSettings | None = None,
    grace_seconds: float = 2,
) -> int:
    """Run ``app`` as a service does, with ``drive`` as the world outside, which stops it at the end."""
    settings = settings or ServiceSettings(port=free_port(), probe_port=free_port())
    app[READINESS] = Readiness(remember_seconds=0.02)

    async def main() -> int:
        ended = asyncio.Event()

        async def world() -> None:
            try:
                await drive(Outside(settings))
            finally:
                if not ended.is_set():
                    # Outside of `serve` nobody would catch it, and the tests would end here.
                    os.kill(os.getpid(), signal.SIGTERM)

        outside = asyncio.create_task(world())
        try:
            return await serve(
                app,
                settings,
                ready_checks=checks or {},
                grace_seconds=grace_seconds,
                unready_seconds=0.3,
                check_seconds=0.1,
            )
        finally:
            ended.set()
            await outside

    return run(main())


class Switch:
    """A dependency to switch on and off."""

    def __init__(self, on: bool) -> None:
        self.on = on

    async def __call__(self) -> None:
        if not self.on:
            raise NotReady("switched off")


def test_the_traffic_port_follows_readiness() -> None:
    database = Switch(on=False)
    seen: list[str] = []

    async def drive(service: Outside) -> None:
        async def waits_for_the_database() -> bool:
            return await service.readyz() == (503, {"ready": False, "missing": {"database": "switched off"}})

        await until(waits_for_the_database)
        assert await service.get(f"{service.probe}/healthz") == (200, {"alive": True})
        assert await service.is_closed()
        seen.append("closed at first")

        database.on = True
        await until(service.is_open)
        assert await service.get(f"{service.traffic}/readyz") == (200, {"ready": True, "missing": {}})
        async with ClientSession() as kept:
            assert (await kept.get(f"{service.traffic}/healthz")).status == 200
            database.on = False
            await until(service.is_closed)
            with pytest.raises(ClientConnectionError):
                await kept.get(f"{service.traffic}/healthz")
        seen.append("closed again, kept connections too")

        database.on = True
        await until(service.is_open)
        seen.append("open again")

    assert run_service(small_app(), drive, checks={"database": database}) == 0
    assert seen == ["closed at first", "closed again, kept connections too", "open again"]


def test_short_troubles_leave_the_port_open() -> None:
    database = Switch(on=True)
    troubles: list[float] = []

    async def flickering() -> None:
        # Never unready for as long as it takes to close the port.
        try:
            await database()
        except NotReady:
            troubles.append(time.monotonic())
            database.on = True
            raise

    async def drive(service: Outside) -> None:
        await until(service.is_open)
        for number in (1, 2):
            database.on = False

            async def noticed(number: int = number) -> bool:
                assert await service.is_open()
                return len(troubles) == number

            await until(noticed)
            await asyncio.sleep(0.4)

    with capture_logs() as logs:
        assert run_service(small_app(), drive, checks={"database": flickering}) == 0
    # Further apart than the time after which a lasting trouble closes the port.
    assert troubles[1] - troubles[0] > 0.3
    assert not [entry for entry in logs if "closed" in entry["event"]]


def test_metrics_are_on_the_probe_port_alone() -> None:
    answers: list[tuple[int, Any]] = []

    async def drive(service: Outside) -> None:
        await until(service.is_open)
        answers.extend([await service.get(f"{base}/metrics") for base in (service.probe, service.traffic)])

    assert run_service(small_app(), drive) == 0
    (status, text), (outside, _) = answers
    assert (status, outside) == (200, 404)
    assert "portico_event_loop_lag_seconds" in text
    assert "process_open_fds" in text
    assert 'route="/healthz"' in text


def test_probes_answer_while_the_service_starts_and_a_stop_ends_the_start() -> None:
    events: list[str] = []

    @asynccontextmanager
    async def quick(app: web.Application) -> AsyncIterator[None]:
        try:
            yield
        finally:
            events.append("what was open is closed")

    @asynccontextmanager
    async def endless(app: web.Application) -> AsyncIterator[None]:
        await asyncio.sleep(60)
        yield

    async def drive(service: Outside) -> None:
        await until(service.is_starting)
        assert await service.is_closed()
        events.append("probed")

    app = small_app()
    app.cleanup_ctx.extend([quick, endless])
    assert run_service(app, drive) == 0
    assert events == ["probed", "what was open is closed"]


def test_a_request_that_never_ends_does_not_hold_up_the_end() -> None:
    begun = asyncio.Event()
    events: list[str] = []

    async def endless(request: web.Request) -> web.Response:
        begun.set()
        await asyncio.sleep(60)
        return web.Response()

    @asynccontextmanager
    async def pool(app: web.Application) -> AsyncIterator[None]:
        yield
        events.append("pool closed")

    waiting: list[asyncio.Task[Any]] = []

    async def drive(service: Outside) -> None:
        await until(service.is_open)
        waiting.append(asyncio.create_task(service.get(f"{service.traffic}/endless")))
        await begun.wait()

    app = small_app(web.get("/endless", endless))
    app.cleanup_ctx.append(pool)
    started = time.monotonic()
    assert run_service(app, drive, grace_seconds=0.2) == 0
    assert time.monotonic() - started < 5
    assert events == ["pool closed"]


def test_a_start_that_fails_is_logged_and_gives_1() -> None:
    @asynccontextmanager
    async def broken(app: web.Application) -> AsyncIterator[None]:
        if app:
            raise RuntimeError("no database")
        yield

    async def drive(service: Outside) -> None:
        await asyncio.sleep(0.2)

    app = small_app()
    app.cleanup_ctx.append(broken)
    with capture_logs() as logs:
        assert run_service(app, drive) == 1
    assert [entry["log_level"] for entry in logs if entry["event"] == "the service ended with an error"] == ["critical"]


@pytest.mark.parametrize("taken", ["port", "probe_port"])
def test_a_port_that_is_taken_is_one_clear_line(taken: str) -> None:
    async def drive(service: Outside) -> None:
        await asyncio.sleep(0.2)

    with socket.socket() as held, capture_logs() as logs:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        settings = ServiceSettings(**{"port": free_port(), "probe_port": free_port(), taken: port})
        assert run_service(small_app(), drive, settings=settings) == 1
    critical = [entry["event"] for entry in logs if entry["log_level"] == "critical"]
    assert critical == [f"cannot listen on 127.0.0.1:{port}: Address already in use"]


class Running:
    """A process of its own, and what it wrote."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.output = ""

    async def collect(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.output += line.decode()

    def wrote(self, text: str) -> Callable[[], Awaitable[bool]]:
        async def condition() -> bool:
            return text in self.output

        return condition


@asynccontextmanager
async def process(settings: ServiceSettings) -> AsyncIterator[Running]:
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.http.service"),
        cwd=ROOT,
        stderr=PIPE,
        env={**os.environ, "PORT": str(settings.port), "PROBE_PORT": str(settings.probe_port)},
    )
    found = Running(started)
    reading = asyncio.create_task(found.collect())
    try:
        yield found
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()
        await reading


async def test_a_stopped_replica_finishes_its_requests_while_another_serves_on() -> None:
    port = free_port()
    first, second = (ServiceSettings(port=port, probe_port=free_port()) for _ in range(2))
    async with process(first) as stopping, process(second) as staying:
        service = Outside(first)
        await until(stopping.wrote("traffic port open"))
        await until(staying.wrote("traffic port open"))

        # The kernel spreads connections over the replicas: ask until the one to be stopped has one.
        requests: list[asyncio.Task[tuple[int, Any]]] = []

        async def has_one() -> bool:
            requests.append(asyncio.create_task(service.get(f"{service.traffic}/slow")))
            return "slow request begins" in stopping.output

        await until(has_one)
        stopping.process.send_signal(signal.SIGTERM)

        async def drains() -> bool:
            return await service.readyz() == (503, {"ready": False, "missing": {"process": "draining"}})

        await until(drains)
        assert await service.is_open()
        assert set(await asyncio.gather(*requests)) == {(200, "finished")}
        assert await asyncio.wait_for(stopping.process.wait(), 8) == 0
        assert await service.is_open()
    assert "resources closed" in stopping.output
    assert "Traceback" not in stopping.output
    for line in stopping.output.splitlines():
        if line.startswith("{"):
            assert {"event", "level", "logger", "timestamp"} <= set(json.loads(line))
