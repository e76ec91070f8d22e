"""Names in Redis that publishers and consumers agree on."""

from __future__ import annotations

from typing import Final

STREAM: Final = "portico:events"
GROUP: Final = "audit"
FIELD: Final = "event"
ID_FIELD: Final = "id"
