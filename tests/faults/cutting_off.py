"""Faults of the network between the services and what they need: refused, reset, silent, half closed, slow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.faults.accounting import unpublished, unread
from tests.faults.play import Fault, Stage
from tests.faults.proxy import Mode, Proxy
from tests.faults.rig import Rig
from tests.support.waiting import soon

_LATENCY_SECONDS = 0.3
_LONG_ENOUGH = 60.0
_MODES = (Mode.REFUSE, Mode.RESET, Mode.BLACK_HOLE, Mode.HALF_CLOSE, Mode.LATENCY)


@dataclass(frozen=True, slots=True)
class Link:
    """What can be cut off, and where that is seen: ``waiting`` counts what does not get through."""

    name: str
    proxy: Callable[[Rig], Proxy]
    waiting: Callable[[Rig], Awaitable[int]]


STORE = Link("audit store", lambda rig: rig.store_proxy, unread)
REDIS = Link("Redis", lambda rig: rig.redis_proxy, unpublished)


def away(link: Link, mode: Mode) -> Fault:
    """The fault of a server that is away in this way. Nothing that people do may depend on it."""

    async def act(stage: Stage) -> None:
        proxy, load = link.proxy(stage.rig), stage.load
        before = len(load.acknowledged)
        stage.prove("connections met", proxy.connections)
        await proxy.set(mode, latency=_LATENCY_SECONDS)

        async def much_waits() -> bool:
            return await link.waiting(stage.rig) >= stage.scale.unread

        if mode is not Mode.LATENCY:
            await soon(much_waits, _LONG_ENOUGH)
            stored = await stage.stored()
        await asyncio.sleep(stage.scale.store_away)
        if mode is not Mode.LATENCY:
            stage.prove("nothing stored meanwhile", await stage.stored() == stored)
        stage.prove("acknowledged meanwhile", len(load.acknowledged) - before)
        await proxy.set(Mode.PASS)

    act.__doc__ = f"{link.name[0].upper()}{link.name[1:]} is away: {mode.value}."
    return Fault(f"{link.name} away: {mode.value}", act)


CUTTING_OFF = tuple(away(link, mode) for link in (STORE, REDIS) for mode in _MODES)
