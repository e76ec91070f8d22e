"""Points of the product at which a process can be killed, by the function that is about to run or has just run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Point:
    """``service`` dies ``when`` its ``call``-th call of ``target`` (``module:name`` or ``module:Class.method``)."""

    service: str
    target: str
    when: Literal["before", "after"]
    call: int = 1

    @property
    def arguments(self) -> list[str]:
        """What `tests.faults.dying` is told."""
        return [f"services.{self.service}", self.target, self.when, str(self.call)]

    @property
    def last_words(self) -> str:
        """The line that a process leaves in its log when it dies here."""
        return f"dying {self.when} call {self.call} of {self.target}"


RELAY_BETWEEN_XADD_AND_MARK = Point("admin", "shared.outbox.relay:Relay._send_events", "after", call=15)
API_BEFORE_COMMIT = Point("admin", "shared.outbox.work:Transaction.append_all", "after", call=25)
# Its caller has left the transaction, and nothing of the answer has been made yet.
API_AFTER_COMMIT = Point("admin", "services.admin.api.clients:json_answer", "before", call=25)
CONSUMER_BETWEEN_COMMIT_AND_XACK = Point("audit", "redis.asyncio:Redis.xack", "before", call=10)
# kombu takes a message with BRPOP, and remembers it as unacknowledged in a second step.
WORKER_BETWEEN_POP_AND_UNACKED = Point("notifier", "kombu.transport.redis:QoS.append", "before", call=2)
WORKER_BETWEEN_250_AND_RECORD = Point("notifier", "services.notifier.delivery:Courier._record", "before", call=2)
# The mail server has its recipient, and the content has not left.
WORKER_WHILE_SENDING = Point("notifier", "services.notifier.mailer:Mailer._announce", "before", call=2)
