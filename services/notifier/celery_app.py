"""The Celery application of a worker: what publishers and workers share, and the consuming side's own settings."""

from __future__ import annotations

from celery import Celery

from services.notifier.tasks import LoopBridge, register
from shared.deliveries.queue import celery_app


def worker_app(broker_url: str, bridge: LoopBridge) -> Celery:
    """An application with the one task; its worker consumes and does nothing else."""
    app = celery_app(broker_url)
    app.conf.update(
        worker_pool="threads",
        # Nobody commands workers through the broker: whoever could write there could also stop them.
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        # A task that runs finishes whatever becomes of the broker; redelivered, it finds its row taken.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        # Celery's soft shutdown stays off: only its own command line begins one, and it cannot end threads. The
        # notifier waits for what is in flight by itself, and then cuts it off on its loop (`app._worker`).
        worker_soft_shutdown_timeout=0.0,
        # For ever: the broker is away, not gone.
        broker_connection_max_retries=None,
    )
    register(app, bridge)
    return app
