"""Faults in which a process is killed at a point, and another one takes over."""

from __future__ import annotations

import asyncio
import signal

from services.notifier.settings import NotifierSettings
from tests.faults import points
from tests.faults.accounting import Report
from tests.faults.play import Fault, Stage
from tests.faults.points import Point
from tests.support.waiting import soon

THREADS = int(NotifierSettings.model_fields["worker_threads"].default)
_DEATH_SECONDS = 40.0
_TWIN_SECONDS = 30.0
_SWEEP_SECONDS = 40.0


async def _killed_at(stage: Stage, point: Point) -> None:
    mortal = await stage.rig.replace(point.service, point=point)
    async with asyncio.timeout(_DEATH_SECONDS):
        status = await mortal.ended()
    stage.ended()
    stage.prove("killed", status == -signal.SIGKILL)
    stage.prove("died at its point", mortal.died_at_its_point)
    await stage.rig.start(point.service)


async def relay_killed(stage: Stage) -> None:
    """The relay's process dies when the events are on the stream and not yet marked as published."""
    before = await _twins(stage)
    await _killed_at(stage, points.RELAY_BETWEEN_XADD_AND_MARK)
    await _twins_come(stage, before)


async def _twins(stage: Stage) -> float:
    return await stage.rig.figure("portico_audit_duplicates_total", "audit")


async def _twins_come(stage: Stage, before: float) -> None:
    """The repetition that makes up for the death reaches the store, which drops it."""

    async def came() -> bool:
        return await _twins(stage) > before

    await soon(came, _TWIN_SECONDS)
    stage.prove("twins dropped", await _twins(stage) - before)


async def api_killed_before_commit(stage: Stage) -> None:
    """The API's process dies with the change and its event written and not committed."""
    await _killed_at(stage, points.API_BEFORE_COMMIT)


async def api_killed_after_commit(stage: Stage) -> None:
    """The API's process dies with the change committed and nothing answered."""
    await _killed_at(stage, points.API_AFTER_COMMIT)


async def consumer_killed(stage: Stage) -> None:
    """The consumer's process dies when the events are stored and not yet acknowledged."""
    await _killed_at(stage, points.CONSUMER_BETWEEN_COMMIT_AND_XACK)
    # Its successor is new, and has dropped none yet.
    await _twins_come(stage, 0)


async def worker_killed_with_message(stage: Stage) -> None:
    """The Celery worker dies with a message that it took from the queue and noted nowhere."""
    await _killed_at(stage, points.WORKER_BETWEEN_POP_AND_UNACKED)

    async def missed() -> bool:
        # Its successor is new, and nothing but the loss of a message makes its sweep put one.
        return await stage.rig.figure("portico_mail_enqueued_by_sweep_total", "notifier") > 0

    await soon(missed, _SWEEP_SECONDS)
    stage.prove("put again by the sweep", await missed())


async def worker_killed_after_mail(stage: Stage) -> None:
    """The Celery worker dies when the mail server has taken the mail and nobody has written that down."""
    await _killed_at(stage, points.WORKER_BETWEEN_250_AND_RECORD)


async def worker_killed_and_broker_emptied(stage: Stage) -> None:
    """The Celery worker dies in the middle of a mail, and the queue with all its tasks is gone at that moment."""
    mortal = await stage.rig.replace("notifier", point=points.WORKER_WHILE_SENDING)
    async with asyncio.timeout(_DEATH_SECONDS):
        status = await mortal.ended()
    stage.prove("killed", status == -signal.SIGKILL)
    stage.prove("died at its point", mortal.died_at_its_point)
    held = "select count(*) from mail.deliveries where state = 'sending'"
    stage.prove("mails in its hands", await stage.rig.database.fetchval(held))
    await stage.rig.redis.flushall()
    stage.ended()
    await stage.rig.start("notifier")


def _some_undone(report: Report) -> bool:
    return report.cut_off > report.cut_off_but_done


def _some_done(report: Report) -> bool:
    return report.cut_off_but_done > 0


def _doubled_once(report: Report) -> bool:
    # The copy is what shows that the worker died after the 250 and that the mail was not forgotten.
    return report.mails_doubled >= 1


KILLING = (
    Fault("relay killed between XADD and mark", relay_killed),
    Fault("API killed before commit", api_killed_before_commit, check=_some_undone),
    Fault("API killed after commit", api_killed_after_commit, check=_some_done),
    Fault("consumer killed between commit and XACK", consumer_killed),
    Fault("worker killed between pop and unacked", worker_killed_with_message),
    # Threads of the same worker may each have a mail in their hands.
    Fault(
        "worker killed between 250 and record", worker_killed_after_mail, check=_doubled_once, mails_may_double=THREADS
    ),
    # One of the others may be between 250 and its record.
    Fault(
        "worker killed while sending, broker emptied",
        worker_killed_and_broker_emptied,
        mails_may_double=THREADS - 1,
    ),
)
