"""Faults of the network between the services and what they need: refused, reset, silent, half closed, slow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from services.notifier.settings import NotifierSettings
from tests.faults.accounting import unpublished, unread
from tests.faults.play import Fault, Stage
from tests.faults.proxy import Mode, Proxy
from tests.faults.rig import Rig
from tests.support.waiting import soon

THREADS = int(NotifierSettings.model_fields["worker_threads"].default)
_LATENCY_SECONDS = 0.3
_LONG_ENOUGH = 60.0
_MAILS_WAITING = 3
_MAILS_FAILED = """
select count(distinct d.id) from mail.deliveries d join mail.delivery_attempts t on t.delivery_id = d.id
where d.finished_at is null and t.outcome in ('unreachable', 'unknown')
"""
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


def mail_server_away(mode: Mode) -> Fault:
    """The fault of a mail server that is away in this way, with mails in the workers' hands."""

    async def act(stage: Stage) -> None:
        rig = stage.rig
        stage.prove("connections met", rig.smtp_proxy.connections)
        await rig.smtp_proxy.set(mode, latency=_LATENCY_SECONDS)

        async def some_failed() -> bool:
            return int(await rig.database.fetchval(_MAILS_FAILED)) >= _MAILS_WAITING

        await soon(some_failed, _LONG_ENOUGH)
        stage.prove("mails wait", await rig.database.fetchval(_MAILS_FAILED))
        await rig.smtp_proxy.set(Mode.PASS)

    act.__doc__ = f"The mail server is away: {mode.value}."
    # The answer to each content that was under way is lost: the copy is the one more try that it gets.
    return Fault(f"mail server away: {mode.value}", act, mails_may_double=THREADS)


CUTTING_OFF = (
    *(away(link, mode) for link in (STORE, REDIS) for mode in _MODES),
    *(mail_server_away(mode) for mode in (Mode.RESET, Mode.BLACK_HOLE)),
)
