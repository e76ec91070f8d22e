"""Cursors: the id of a page's last item in a form that nobody takes for an id."""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

from shared.errors import FieldError, InvalidFields


def cursor_after(last: UUID | None) -> str | None:
    """What leads to the items after this one; None when there are none."""
    return base64.urlsafe_b64encode(last.bytes).rstrip(b"=").decode() if last else None


def read_cursor(text: str | None) -> UUID | None:
    """The id that a cursor stands for. Raises InvalidFields when it is none of ours."""
    if text is None:
        return None
    try:
        return UUID(bytes=base64.b64decode(f"{text}==", altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        raise InvalidFields(FieldError("cursor", "This is no cursor that we gave out.")) from None
