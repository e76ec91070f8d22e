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


async def notice_of(request: web.Request) -> tuple[str, str] | None:
    """What the Main Menu says of them, with where they are; None when there is nothing to say to this visitor."""
    actor = request[VISITOR].actor
    if not allowed(actor, Right.MANAGE_PORTAL_LOGINS):
        return None
    counts = await attention.count(request.app[WORK], actor=actor)
    if not counts.expired:
        return (_sentence(counts), url(request, PAGE, kind="failed")) if counts.failed else None
    return _sentence(counts), url(request, PAGE)


def _sentence(counts: Counts) -> str:
    number = counts.expired + counts.failed
    if number == 1:
        return "1 portal login needs attention"
    more = max(counts.expired, counts.failed) >= COUNTED
    return f"{'More than ' if more else ''}{number - 1 if more else number} portal logins need attention"


@for_staff
async def show(request: web.Request) -> web.StreamResponse:
    """Those of one kind. Raises NotFound for a kind that there is not."""
    kind, zone = _kind(request.query.get("kind", "expired")), request[VISITOR].agency.zone
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
        rows=[(login, short_time(login.since, zone), _advice(kind, login)) for login in found.logins],
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


def _advice(kind: AttentionKind, login: InNeed) -> str:
    if kind == "expired":
        return "Ask the owner whether the e-mail arrived, then choose Resend."
    words = in_plain_words(login.outcome, login.reply_code, login.reply) + " " if login.outcome else ""
    if login.has_own:
        return f"{words}Ask for an address that works, choose Edit, and enter it."
    if login.outcome == "refused":
        return f"{words}Ask for an address that works, then choose Correct the address and resend."
    return f"{words}Choose Resend, or Correct the address and resend."


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
