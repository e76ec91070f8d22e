"""How the outbox and the sweep name a delivery whose task is to be put: by its id, and by how urgent it is."""

from __future__ import annotations

from typing import Final
from uuid import UUID

# After the id rather than in a column: a relay of the version before, which knows one queue only, takes such rows too.
_LATER: Final = "later"


def named(delivery_id: UUID, *, urgent: bool) -> str:
    """As it stands in the outbox."""
    return str(delivery_id) if urgent else f"{delivery_id} {_LATER}"


def read(name: str) -> tuple[str, bool]:
    """The id, and whether it is urgent."""
    delivery_id, _, when = name.partition(" ")
    return delivery_id, when != _LATER
