"""Running a service: probes from the first moment, the traffic port only while it is ready, and an orderly end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import structlog
import uvloop
from aiohttp import web

from shared.http.keys import METRICS, READINESS
from shared.http.listening import CannotListen, listen
from shared.http.probes import probes
from shared.http.readiness import Check, Phase, Readiness
from shared.process import settle
from shared.settings import ServiceSettings

log = structlog.get_logger("shared.http.server")

# Longer than gateways keep idle connections to us (Caddy: two minutes): the side that closes first must be theirs.
_KEEPALIVE_SECONDS = 180.0
_BACKLOG = 1024


async def serve(
    app: web.Application,
    settings: ServiceSettings,
    *,
    ready_checks: Mapping[str, Check],
    grace_seconds: float = 10,
    unready_seconds: float = 15,
    check_seconds: float = 1,
) -> int:
    """Run ``app`` until SIGTERM or SIGINT; returns the process's exit code.

    The probe port answers from the very start. The traffic port opens once every check passes, closes when something
    has been missing for ``unready_seconds``, and opens again afterwards. At the end readiness goes first, then the
    port, then requests have ``grace_seconds`` to finish. Raises `CannotListen` and whatever the start-up raises.
    """
    readiness = app[READINESS]
    readiness.use(ready_checks)
    readiness.phase = Phase.STARTING
    readiness.listening = False
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=grace_seconds, keepalive_timeout=_KEEPALIVE_SECONDS)
    with _stop_on_signals() as stop:
        async with probes(settings, readiness, app[METRICS]):
            try:
                if await _started(runner, stop):
                    settle()
                    readiness.phase = Phase.SERVING
                    port = _TrafficPort(runner, settings, grace_seconds)
                    await port.follow(readiness, stop, unready_seconds, check_seconds)
            finally:
                readiness.phase = Phase.DRAINING
                log.info("stopping", grace_seconds=grace_seconds)
                await runner.cleanup()
    log.info("stopped")
    return 0


def run(main: Coroutine[Any, Any, int | None]) -> int:
    """Run ``main`` on uvloop and return the process's exit code; a failure is logged and gives 1."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(main) or 0
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except CannotListen as error:
        log.critical(str(error))
    except Exception:
        log.critical("the service ended with an error", exc_info=True)
    return 1


class _TrafficPort:
    """Opens and closes the port that gateways and clients reach."""

    def __init__(self, runner: web.AppRunner, settings: ServiceSettings, grace_seconds: float) -> None:
        self._runner = runner
        self._settings = settings
        self._grace = grace_seconds
        self._site: web.TCPSite | None = None

    async def follow(
        self, readiness: Readiness, stop: asyncio.Event, unready_seconds: float, check_seconds: float
    ) -> None:
        """Keep the port as readiness says until ``stop``."""
        loop = asyncio.get_running_loop()
        unready_since: float | None = None
        opened_before = False
        while not stop.is_set():
            if not await readiness.missing():
                unready_since = None
                if self._site is None:
                    await self._open(retrying=opened_before)
                    opened_before = True
                    readiness.listening = self._site is not None
            elif self._site is not None:
                unready_since = loop.time() if unready_since is None else unready_since
                if loop.time() - unready_since >= unready_seconds:
                    await self._close()
                    readiness.listening = False
            with suppress(TimeoutError):
                # A closed port is looked at more often: opening late costs more than a cheap question.
                await asyncio.wait_for(stop.wait(), check_seconds if self._site else check_seconds / 4)

    async def _open(self, *, retrying: bool) -> None:
        settings = self._settings
        site = web.TCPSite(self._runner, settings.host, settings.port, backlog=_BACKLOG, reuse_port=True)
        try:
            port = await listen(site)
        except CannotListen as error:
            if not retrying:
                raise
            log.error("traffic port still closed", reason=str(error))
            return
        self._site = site
        log.info("traffic port open", host=settings.host, port=port)

    async def _close(self) -> None:
        site, self._site = self._site, None
        server = self._runner.server
        if site is None or server is None:
            return
        log.warning("traffic port closed: not ready for too long")
        await site.stop()
        # Gateways keep connections; on those they would go on sending requests here. First the idle ones, which
        # would be waited for otherwise, then those with a request as it finishes.
        server.pre_shutdown()
        await server.shutdown(self._grace)


async def _started(runner: web.AppRunner, stop: asyncio.Event) -> bool:
    """Start the application; false when the process was asked to stop before that was done."""
    setup = asyncio.create_task(runner.setup(), name="start-up")
    stopping = asyncio.create_task(stop.wait(), name="stop signal")
    try:
        await asyncio.wait({setup, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if setup.done():
            await setup
            return True
        return False
    finally:
        for task in (setup, stopping):
            task.cancel()
        await asyncio.gather(setup, stopping, return_exceptions=True)


@contextmanager
def _stop_on_signals() -> Iterator[asyncio.Event]:
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
