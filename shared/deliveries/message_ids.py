"""The Message-ID of an e-mail names its delivery: `<ID@DOMAIN>`, the same for all attempts."""

from __future__ import annotations

import re
from uuid import UUID

_OURS = re.compile(r"\s*<?(?P<id>[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})@[A-Za-z0-9.-]{1,253}>?\s*")


def delivery_in(message_id: str) -> UUID | None:
    """The delivery that a Message-ID names, as ours do; a guess by anybody, so it has to be checked."""
    found = _OURS.fullmatch(message_id)
    return UUID(found["id"]) if found else None
