"""The Celery queues that tell the notifier which deliveries are due: an id a message, and nothing else.

The delivery's row is the truth. A message that is lost is put again by the notifier's sweep; one that comes twice finds
the row taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from celery import Celery

from shared.deliveries import tasks

URGENT_QUEUE: Final = "deliveries.urgent"
"""What somebody waits for in order to get in."""
LATER_QUEUE: Final = "deliveries.later"
"""Notices of what has happened."""
OLD_QUEUE: Final = "deliveries"
"""Where publishers of versions before put everything: taken from as well, so that an update loses no task."""
QUEUES: Final = (URGENT_QUEUE, OLD_QUEUE, LATER_QUEUE)
"""In the order in which a worker looks: into the next one only while those before are empty."""
TASK: Final = "portico.deliver"

# A task that nobody acknowledged comes back after this. A delivery takes a minute at most, and the shortest value of
# all programs on a broker counts for all of them.
VISIBILITY_SECONDS: Final = 300


def celery_app(broker_url: str) -> Celery:
    """The settings that both sides share."""
    app = Celery("portico", broker=broker_url, set_as_current=False)
    app.conf.update(
        # JSON only: a message must never be able to name code.
        accept_content=["json"],
        task_serializer="json",
        # What became of a delivery is in its row.
        task_ignore_result=True,
        result_backend=None,
        task_default_queue=URGENT_QUEUE,
        # With a late acknowledgement the task of a worker that dies comes back; the row's lease makes that harmless.
        task_acks_late=True,
        # It would come back at once and without end, were the delivery what kills workers. A thread cannot be lost by
        # itself anyway.
        task_reject_on_worker_lost=False,
        # One at a time, so that a slow mail server does not hold tasks that another worker could take.
        worker_prefetch_multiplier=1,
        # Nobody may learn from events or headers what a task carries.
        worker_send_task_events=False,
        task_send_sent_event=False,
        enable_utc=True,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            # By default kombu asks the queues in turn: a thousand notices would halve the speed of what is urgent.
            "queue_order_strategy": "priority",
            "visibility_timeout": VISIBILITY_SECONDS,
            # A connection that went silent has to be noticed; kombu waits for ever otherwise.
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 15,
        },
        # Publishers give up soon: the outbox keeps the row and the relay tries again.
        task_publish_retry=False,
        broker_connection_timeout=5,
    )
    return app


class CeleryDeliveryQueue:
    """Puts delivery ids on the queue without holding up the event loop."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    async def put_all(self, names: Sequence[str]) -> None:
        """Put a task for each delivery named as `shared.deliveries.tasks` does; raises what kombu raises when the
        broker is away."""
        if names:
            await asyncio.to_thread(self._send, [tasks.read(name) for name in names])

    def _send(self, found: list[tuple[str, bool]]) -> None:
        with self._app.producer_or_acquire() as producer:
            for delivery_id, urgent in found:
                self._app.send_task(
                    TASK,
                    args=[delivery_id],
                    queue=URGENT_QUEUE if urgent else LATER_QUEUE,
                    producer=producer,
                    argsrepr="(delivery)",
                    kwargsrepr="{}",
                )

    def close(self) -> None:
        """Let the connections go."""
        self._app.close()
