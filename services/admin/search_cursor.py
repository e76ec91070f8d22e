"""Where a client search goes on: the position of the last one shown, as an opaque text."""

from __future__ import annotations

import base64
import binascii
import json
from uuid import UUID

from shared.errors import FieldError, InvalidFields

Position = tuple[str, str, UUID]


def written(position: Position) -> str:
    """The cursor for the clients after this one."""
    last_name, first_name, client_id = position
    text = json.dumps([last_name, first_name, str(client_id)])
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def position_of(cursor: str | None) -> Position | None:
    """Read a cursor back. Raises InvalidFields."""
    if not cursor:
        return None
    try:
        last_name, first_name, client_id = json.loads(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        )
        if "\x00" in f"{last_name}{first_name}":
            raise ValueError("PostgreSQL takes no NUL")
        return str(last_name), str(first_name), UUID(client_id)
    except (ValueError, TypeError, AttributeError, binascii.Error, RecursionError):
        raise InvalidFields(FieldError("cursor", "Use the next_cursor of the page before.")) from None
