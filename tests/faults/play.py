"""How one fault is played: a load runs, the fault happens and ends, the load goes on, and the account is made."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.faults.accounting import Report, account
from tests.faults.load import Load
from tests.faults.rig import Rig


class DidNotHappen(AssertionError):
    """The fault did not take place, so nothing was shown by it."""


class Stalled(AssertionError):
    """The product waits for something that need not come."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much and how long: ``rate`` and ``mails`` a second, times in seconds."""

    rate: float
    mails: float
    redis_away: float
    store_away: float
    transaction_open: float
    unread: int
    events: int


SHORT = Scale(rate=40, mails=2, redis_away=8, store_away=2, transaction_open=5, unread=30, events=10_000)
LONG = Scale(rate=80, mails=4, redis_away=120, store_away=20, transaction_open=60, unread=1000, events=10_000)


@dataclass(slots=True)
class Stage:
    """What a fault works with."""

    rig: Rig
    load: Load
    scale: Scale
    facts: dict[str, Any] = field(default_factory=dict)
    end: float = 0.0

    def ended(self) -> None:
        """Recovery is measured from now on, the first time that this is called."""
        self.end = self.end or time.time()

    async def stored(self) -> int:
        """How many events the log holds."""
        return int(await self.rig.database.fetchval("select count(*) from audit.events"))

    def prove(self, name: str, value: Any) -> None:
        """Note what shows that the fault took place. Raises DidNotHappen when it is nothing."""
        self.facts[name] = value
        if not value:
            raise DidNotHappen(f"{name}: {value!r}")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: ``act`` begins and ends it under the running load; ``check`` looks at the account for more proof."""

    name: str
    act: Callable[[Stage], Awaitable[None]]
    check: Callable[[Report], bool] = lambda report: True
    mails_may_double: int = 0

    @property
    def about(self) -> str:
        """What it does, in a line."""
        return (self.act.__doc__ or "").partition("\n")[0]


async def play(rig: Rig, fault: Fault, scale: Scale) -> Report:
    """Play it and answer the account. Raises DidNotHappen when the fault did not take place."""
    await rig.heal()
    stage = Stage(rig, Load(rig, scale.rate, scale.mails), scale)
    began = time.time()
    async with stage.load.running():
        await stage.load.flows()
        await fault.act(stage)
        stage.ended()
        await stage.load.flows()
    report = await account(rig, stage.load, fault.name, began=began, ended=stage.end, facts=stage.facts)
    if not fault.check(report):
        raise DidNotHappen(f"the account does not show it: {report}")
    return report
