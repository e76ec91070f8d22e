"""A whole look: every part is asked at once, and what cannot be reached is a line like the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import asyncpg
from redis.exceptions import RedisError
from rich.table import Table
from rich.text import Text

from ops.deployment import Deployment
from ops.status import carriers, databases
from ops.status.lines import WORST, Line, State, worst
from shared.db import Unavailable

_TROUBLE: tuple[type[BaseException], ...] = (*Unavailable, asyncpg.PostgresError, RedisError)
_NOT_CURRENT: Final = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
    asyncpg.InvalidSchemaNameError,
)
_STYLES: Final = {"ok": "green", "look": "yellow", "bad": "bold red"}

Read = Callable[[], Awaitable[list[Line]]]


@dataclass(frozen=True, slots=True)
class Part:
    """One server of the pipeline with its lines; ``unreachable`` says why there are none of its own."""

    name: str
    lines: tuple[Line, ...]
    unreachable: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What one look found, at a moment in UTC."""

    at: datetime
    parts: tuple[Part, ...]

    @property
    def state(self) -> State:
        """The worst of all lines."""
        return worst(*(line.state for part in self.parts for line in part.lines))

    @property
    def exit_code(self) -> int:
        """0 when all is well, 1 when there is something to look at, 2 when something is bad or cannot be reached."""
        return WORST[self.state]

    def as_json(self) -> dict[str, Any]:
        """For programs: lines by name, with figures in seconds and counts; a part that is away has one line."""
        lines = {
            line.key: {
                "part": part.name,
                "state": line.state,
                "value": line.value,
                "normal": line.normal,
                "figures": dict(line.figures),
            }
            for part in self.parts
            for line in part.lines
        }
        away = {part.name: part.unreachable for part in self.parts if part.unreachable is not None}
        return {"at": self.at.isoformat(), "state": self.state, "unreachable": away, "lines": lines}

    def as_table(self) -> Table:
        """For people."""
        table = Table("what", "now", "normal", "state", caption=f"{self.at:%Y-%m-%d %H:%M:%S} UTC")
        for part in self.parts:
            for line in part.lines:
                state = Text(line.state, style=_STYLES[line.state])
                table.add_row(Text(line.name), Text(line.value), Text(line.normal), state)
            table.add_section()
        return table


async def look(deployment: Deployment, now: datetime) -> Report:
    """Ask every part once. Never raises for what a part does or does not answer."""
    redis_url, broker_url = deployment.redis_url, deployment.broker_url
    parts = await asyncio.gather(
        _part("accounts database", "OWNER_DATABASE_URL", lambda: databases.accounts(deployment.owner_url)),
        _part("events in redis", "REDIS_URL", (lambda: carriers.events(redis_url)) if redis_url else None),
        _part("audit store", "AUDIT_OWNER_DATABASE_URL", lambda: databases.audit_store(deployment.audit_owner_url)),
        _part(
            "deliveries in redis",
            "CELERY_BROKER_URL",
            (lambda: carriers.deliveries(broker_url)) if broker_url else None,
        ),
    )
    return Report(now, tuple(parts))


async def _part(name: str, setting: str, read: Read | None) -> Part:
    why = f"{setting} is not set"
    if read is not None:
        try:
            return Part(name, tuple(await read()))
        except _NOT_CURRENT:
            why = "it lacks what this version needs, run `portico migrate`"
        except _TROUBLE as error:
            why = _reason(error)
    return Part(name, (Line(name, f"cannot be reached: {why}", "answers", "bad"),), unreachable=why)


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
