"""The outbox: append in the caller's transaction, relay to the stream and to Celery, reconcile with the audit store."""

from shared.outbox.work import OutboxTable, Transaction, Work

__all__ = ["OutboxTable", "Transaction", "Work"]
