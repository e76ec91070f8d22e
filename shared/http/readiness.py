"""Whether this process can serve: the checks behind /readyz and behind opening the traffic port."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import TypeAlias

import structlog

Check: TypeAlias = Callable[[], Awaitable[None]]
"""Returns when the dependency answers, raises when it does not."""

log = structlog.get_logger("shared.http.readiness")


class NotReady(Exception):
    """A check's way to say why in words that may be shown: they appear in /readyz."""


class Phase(StrEnum):
    """Where a process is in its life."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"


class Readiness:
    """Runs the checks at once, each with its own time limit, and remembers the outcome for a moment.

    Probes come from several sides (orchestrator, gateway, the traffic port's own watch): the memory keeps them from
    adding load to a dependency that is in trouble.
    """

    def __init__(
        self,
        checks: Mapping[str, Check] | None = None,
        *,
        timeout_seconds: float = 2.0,
        remember_seconds: float = 1.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``checks`` maps a dependency's name, as /readyz shows it, to its check."""
        self.phase = Phase.SERVING
        # Whether the traffic port is open; None for processes that have none.
        self.listening: bool | None = None
        self._checks = dict(checks or {})
        self._timeout = timeout_seconds
        self._remember = remember_seconds
        self._monotonic = monotonic
        self._known: tuple[float, dict[str, str]] | None = None
        self._running: asyncio.Task[dict[str, str]] | None = None
        self._last_missing: dict[str, str] = {}

    def use(self, checks: Mapping[str, Check]) -> None:
        """Take these checks instead of the present ones."""
        self._checks = dict(checks)
        self._known = None

    @property
    def accepting(self) -> bool:
        """Whether connections should be kept: false while the process starts or drains."""
        return self.phase is Phase.SERVING

    async def reported(self) -> dict[str, str]:
        """What a probe is told is missing: the same, and a traffic port that is not open (yet)."""
        missing = await self.missing()
        return missing or ({"traffic port": "not open"} if self.listening is False else {})

    async def missing(self) -> dict[str, str]:
        """What is missing, by name, with a reason that holds no secret; empty when everything answers."""
        if self.phase is not Phase.SERVING:
            return {"process": self.phase.value}
        now = self._monotonic()
        if self._known is not None and now - self._known[0] < self._remember:
            return self._known[1]
        if self._running is None:
            self._running = asyncio.ensure_future(self._run())
        # Shielded: a probe that gives up must not cancel the round that others wait for.
        return await asyncio.shield(self._running)

    async def _run(self) -> dict[str, str]:
        try:
            names = list(self._checks)
            reasons = await asyncio.gather(*(self._reason(self._checks[name]) for name in names))
            missing = {name: reason for name, reason in zip(names, reasons, strict=True) if reason is not None}
            if missing != self._last_missing:
                log.warning("readiness changed", missing=missing) if missing else log.info("ready")
                self._last_missing = missing
            self._known = (self._monotonic(), missing)
            return missing
        finally:
            self._running = None

    async def _reason(self, check: Check) -> str | None:
        try:
            async with asyncio.timeout(self._timeout):
                await check()
        except TimeoutError:
            return f"no answer within {self._timeout:g} s"
        except NotReady as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - whatever a check raises, its dependency cannot be used
            # Only the kind of error: driver messages may quote addresses, users or statements.
            return f"not available ({type(error).__name__})"
        return None
