"""The activity and change-log queries, and the question that publishers ask."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import Field
from redis.exceptions import RedisError

from services.audit import store
from services.audit.keys import CONSUMER, LOGS, STORE_POOL, VERIFIER, VIEWERS
from services.audit.queries import ChangeFilter, Page
from services.audit.viewers import Viewer
from shared.errors import FieldError, InvalidFields, NotAllowed, NotFound
from shared.events import Envelope, activity_row, change_entry
from shared.http import answers
from shared.http.answers import json_answer, page_of
from shared.http.bearer import bearer_token
from shared.http.bodies import read_json, read_query
from shared.http.fields import Answer, Body, Cursor, IsoDate, Limit, Line, Query, Timestamp
from shared.http.keys import CLIENT_ADDRESS, REQUEST_ID
from shared.http.openapi import operation
from shared.rights import Right, require
from shared.security.tokens import CLIENT, INTERNAL, STAFF, Audience, Claims

_MOST_IDS = 1000
_TAG = "Logs"
# Between services a thousand ids travel at once.
_HELD_LIMIT = 128 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ActivityQuery(Query):
    """Whose activity. A client's token is for its own login and needs neither; staff name one of them."""

    portal_login_id: UUID | None = None
    client_id: UUID | None = None
    limit: Limit = 25
    cursor: Cursor | None = None


class ChangesQuery(Query):
    """Which changes. Both dates are days in the agency's time zone, and inclusive."""

    client_id: UUID | None = None
    case_id: UUID | None = None
    change_type: Annotated[str, Line(100)] | None = None
    changed_by: Annotated[str, Line(200)] | None = None
    start_date: IsoDate | None = None
    end_date: IsoDate | None = None
    limit: Limit = 25
    cursor: Cursor | None = None


class FiltersQuery(Query):
    """Whose change log."""

    client_id: UUID


class ActorOut(Answer):
    """Who did it."""

    kind: str
    username: str


class ActivityOut(Answer):
    """A row of the Client Action Log; ``timestamp`` is in the agency's time zone."""

    id: UUID
    type: str
    action: str
    description: str
    occurred_at: Timestamp
    timestamp: str
    actor: ActorOut


class FieldChangeOut(Answer):
    """One field with its old and its new value, null where there is none."""

    field: str
    old: str | None
    new: str | None


class ChangeOut(Answer):
    """An entry of the Face Sheet Change Log; ``date_and_time`` is in the agency's time zone."""

    id: UUID
    type: str
    change_type: str
    user: str
    description: str
    lines: list[str]
    changes: list[FieldChangeOut]
    occurred_at: Timestamp
    date_and_time: str


class FilterOption(Answer):
    """Something to filter by."""

    value: str
    label: str


class FiltersOut(Answer):
    """What a client's change log can be filtered by."""

    change_types: list[FilterOption]
    changed_by: list[FilterOption]


class HeldQuestion(Body):
    """Ids of published events."""

    ids: Annotated[list[UUID], Field(max_length=_MOST_IDS)]


class HeldOut(Answer):
    """Those of them that need not be sent again.

    What was put on the stream after ``unread_since`` may still be on its way here; null when everything was read.
    """

    held: list[UUID]
    unread_since: Timestamp | None


def _claims(request: web.Request, *audiences: Audience) -> Claims:
    return request.app[VERIFIER].verify(bearer_token(request), *audiences)


async def viewer_of(request: web.Request, *audiences: Audience) -> Viewer:
    """Who asks, by a token for one of these doors. Raises NotSignedIn."""
    return await request.app[VIEWERS].behind(
        _claims(request, *audiences), address=request[CLIENT_ADDRESS], request_id=request[REQUEST_ID]
    )


@operation(
    "The Client Action Log",
    query=ActivityQuery,
    answers={200: answers.Page[ActivityOut]},
    problems=(NotFound,),
    security="both",
    tag=_TAG,
)
async def activity(request: web.Request) -> web.Response:
    """Newest first. A client's token answers its own login's; staff name a portal login or a client."""
    viewer = await viewer_of(request, STAFF, CLIENT)
    asked = read_query(request, ActivityQuery)
    portal_login_id, client_id = await _whose_activity(request, viewer, asked)
    page = await request.app[LOGS].activity(
        viewer.actor,
        portal_login_id=portal_login_id,
        client_id=client_id,
        before=position_of(asked.cursor),
        limit=asked.limit,
    )
    items = [_activity_out(e, viewer.zone) for e in page.events]
    return json_answer(page_of(items, next_cursor(page)))


async def _whose_activity(
    request: web.Request, viewer: Viewer, asked: ActivityQuery
) -> tuple[UUID | None, UUID | None]:
    if viewer.kind == "portal":
        require(viewer.actor, Right.READ_OWN_ACTIVITY)
        named = (asked.portal_login_id or viewer.person_id, asked.client_id or viewer.client_id)
        if named != (viewer.person_id, viewer.client_id):
            raise NotFound
        return named
    require(viewer.actor, Right.READ_LOGS_OF_A_CLIENT)
    if (asked.portal_login_id is None) == (asked.client_id is None):
        message = "Give either portal_login_id or client_id."
        raise InvalidFields(FieldError("portal_login_id", message), FieldError("client_id", message))
    if asked.portal_login_id:
        return asked.portal_login_id, await request.app[VIEWERS].client_of_login(viewer, asked.portal_login_id)
    if asked.client_id:
        await request.app[VIEWERS].require_client(viewer, asked.client_id)
    return None, asked.client_id


@operation(
    "The Face Sheet Change Log",
    query=ChangesQuery,
    answers={200: answers.Page[ChangeOut]},
    problems=(NotFound, NotAllowed),
    security="staff",
    tag=_TAG,
)
async def changes(request: web.Request) -> web.Response:
    """Newest first, of one client. Supervisors and agency admins may leave the client out and read across clients."""
    viewer = await viewer_of(request, STAFF)
    asked = read_query(request, ChangesQuery)
    client_id = await _whose_changes(request, viewer, asked)
    require_order(asked.start_date, asked.end_date)
    page = await request.app[LOGS].changes(
        viewer.actor,
        client_id=client_id,
        wanted=ChangeFilter(asked.change_type, asked.changed_by, asked.start_date, asked.end_date),
        zone=viewer.zone,
        before=position_of(asked.cursor),
        limit=asked.limit,
    )
    items = [_change_out(e, viewer.zone) for e in page.events]
    return json_answer(page_of(items, next_cursor(page)))


def require_order(start: date | None, end: date | None) -> None:
    """Raises InvalidFields when the days are the wrong way round."""
    if start and end and end < start:
        raise InvalidFields(FieldError("end_date", "Enter a date that is not before the start date."))


async def _whose_changes(request: web.Request, viewer: Viewer, asked: ChangesQuery) -> UUID | None:
    require(viewer.actor, Right.READ_LOGS_OF_A_CLIENT)
    if asked.client_id and asked.case_id:
        message = "Give either client_id or case_id."
        raise InvalidFields(FieldError("client_id", message), FieldError("case_id", message))
    if asked.case_id:
        return await request.app[VIEWERS].client_of_case(viewer, asked.case_id)
    if asked.client_id:
        await request.app[VIEWERS].require_client(viewer, asked.client_id)
        return asked.client_id
    message = "Name a client: reading the changes of all clients needs a supervisor."
    require(viewer.actor, Right.READ_LOGS_OF_ALL, message)
    return None


@operation(
    "What the change log can be filtered by",
    query=FiltersQuery,
    answers={200: FiltersOut},
    problems=(NotFound,),
    security="staff",
    tag=_TAG,
)
async def filters(request: web.Request) -> web.Response:
    """The change types and the people that the client's change log holds."""
    viewer = await viewer_of(request, STAFF)
    require(viewer.actor, Right.READ_LOGS_OF_A_CLIENT)
    asked = read_query(request, FiltersQuery)
    await request.app[VIEWERS].require_client(viewer, asked.client_id)
    types, people = await request.app[LOGS].filters(viewer.actor, asked.client_id)
    return json_answer(
        FiltersOut(
            change_types=[FilterOption(value=t, label=t) for t in types],
            changed_by=[FilterOption(value=key, label=name) for key, name in people],
        )
    )


@operation(
    "Which events are held", body=HeldQuestion, answers={200: HeldOut}, security="service", tag="Between services"
)
async def held(request: web.Request) -> web.Response:
    """Stored, or kept as dead letters: these need not be sent again."""
    _claims(request, INTERNAL)
    question = await read_json(request, HeldQuestion, limit=_HELD_LIMIT)
    # Before the store is asked: what is read and stored in between then counts as held, never as lost.
    unread_since = await _unread_since(request)
    async with request.app[STORE_POOL].transaction(None) as conn:
        found = await store.held(conn, question.ids)
    return json_answer(HeldOut(held=found, unread_since=unread_since))


async def _unread_since(request: web.Request) -> datetime | None:
    try:
        return await request.app[CONSUMER].unread_since()
    except (RedisError, OSError):
        # Without Redis nobody knows what waits there, and nothing could be sent again either.
        return _EPOCH


def routes() -> list[web.RouteDef]:
    """Everything that the audit service answers."""
    return [
        web.get("/api/v1/activity", activity),
        web.get("/api/v1/changes", changes),
        web.get("/api/v1/changes/filters", filters),
        web.post("/internal/v1/events/held", held),
    ]


def action_log_time(moment: datetime, zone: ZoneInfo) -> str:
    """``06/16/2022 09:47:16 AM``, as the Client Action Log writes times."""
    return moment.astimezone(zone).strftime("%m/%d/%Y %I:%M:%S %p")


def change_log_time(moment: datetime, zone: ZoneInfo) -> str:
    """``6/16/2022 9:46:48 AM``, as the Face Sheet Change Log writes times."""
    local = moment.astimezone(zone)
    return f"{local.month}/{local.day}/{local.year} {local.hour % 12 or 12}:{local:%M:%S %p}"


def _activity_out(event: Envelope, zone: ZoneInfo) -> ActivityOut:
    row = activity_row(event)
    return ActivityOut(
        id=event.id,
        type=event.type,
        action=row.action,
        description=row.description,
        occurred_at=event.occurred_at,
        timestamp=action_log_time(event.occurred_at, zone),
        actor=ActorOut(kind=event.actor.kind, username=event.actor.username),
    )


def _change_out(event: Envelope, zone: ZoneInfo) -> ChangeOut:
    entry = change_entry(event)
    return ChangeOut(
        id=event.id,
        type=event.type,
        change_type=entry.change_type,
        user=event.actor.name,
        description=entry.description,
        lines=list(entry.lines),
        changes=[FieldChangeOut(field=c.field, old=c.old, new=c.new) for c in entry.changes],
        occurred_at=event.occurred_at,
        date_and_time=change_log_time(event.occurred_at, zone),
    )


def next_cursor(page: Page) -> str | None:
    """Where the page after this one begins; None after the last one."""
    if not page.more:
        return None
    return base64.urlsafe_b64encode(page.events[-1].id.bytes).rstrip(b"=").decode()


def position_of(cursor: str | None) -> UUID | None:
    """The event that a cursor stands for. Raises InvalidFields."""
    if cursor is None:
        return None
    try:
        return UUID(bytes=base64.b64decode(cursor + "==", altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        raise InvalidFields(FieldError("cursor", "Use the next_cursor of the page before.")) from None
