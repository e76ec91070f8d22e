"""The portal logins that need attention: on the Main Menu their number, on a page of their own which they are."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from aiohttp import web

from services.admin.keys import VISITOR, WORK
from services.admin.pages.visitors import for_staff, url
from services.admin.use_cases import attention
from shared.accounts.attention import COUNTED, AttentionKind, Counts, InNeed, Place
from shared.deliveries.replies import in_plain_words
from shared.errors import NotFound
from shared.http.pages import render
from shared.http.times import short_time
from shared.rights import Right, allowed

PAGE: Final = "attention"
TITLE: Final = "Portal Logins That Need Attention"

_ROWS = 25
_LABELS: Final[Mapping[AttentionKind, str]] = {
    "expired": "Password ran out",
    "failed": "E-mail failed",
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE: Final = struct.Struct(">q16s")


async def notice_of(request: web.Request) -> str | None:
    """What the Main Menu says of them; None when there are none, or it is not the visitor's business."""
    actor = request[VISITOR].actor
    if not allowed(actor, Right.MANAGE_PORTAL_LOGINS):
        return None
    counts = await attention.count(request.app[WORK], actor=actor)
    return _sentence(counts.expired + counts.failed, max(counts.expired, counts.failed) >= COUNTED)


def _sentence(number: int, more: bool) -> str | None:
    if number == 0:
        return None
    if number == 1:
        return "1 portal login needs attention"
    return f"{'More than ' if more else ''}{number - 1 if more else number} portal logins need attention"


@for_staff
async def show(request: web.Request) -> web.StreamResponse:
    """Those of one kind. Raises NotFound for a kind that there is not."""
    kind = _kind(request.query.get("kind", "expired"))
    found = await attention.page(
        request.app[WORK], actor=request[VISITOR].actor, kind=kind, after=_place(request), limit=_ROWS
    )
    return render(
        request,
        "attention.html",
        title=TITLE,
        crumbs=[("Main Menu", url(request)), (TITLE, None)],
        kind=kind,
        kinds=[(key, _label(key, found.counts), url(request, PAGE, kind=key)) for key in _LABELS],
        rows=[(login, short_time(login.since, request[VISITOR].agency.zone), _advice(login)) for login in found.logins],
        client_url=url(request, "clients/"),
        older_url=url(request, PAGE, kind=kind, after=_cursor(found.next_after)) if found.next_after else None,
        newest_url=url(request, PAGE, kind=kind) if "after" in request.query else None,
    )


def _kind(text: str) -> AttentionKind:
    for kind in _LABELS:
        if kind == text:
            return kind
    raise NotFound


def _label(kind: AttentionKind, counts: Counts) -> str:
    number = counts.expired if kind == "expired" else counts.failed
    return f"{_LABELS[kind]} ({f'{COUNTED - 1}+' if number >= COUNTED else number})"


def _advice(login: InNeed) -> str:
    if login.outcome is None:
        return "Ask the owner whether the e-mail arrived, then choose Resend."
    words = in_plain_words(login.outcome, login.reply_code, login.reply)
    return f"{words} Correct the address and resend."


def _cursor(place: Place) -> str:
    micros = (place.since - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(_PLACE.pack(micros, place.id.bytes)).decode()


def _place(request: web.Request) -> Place | None:
    text = request.query.get("after")
    if text is None:
        return None
    try:
        micros, id_ = _PLACE.unpack(base64.b64decode(text, altchars=b"-_", validate=True))
        return Place(_EPOCH + timedelta(microseconds=micros), UUID(bytes=id_))
    except (ValueError, binascii.Error, struct.error, OverflowError):
        raise NotFound from None
