"""The Security Log: what agency admins may ask about sign-ins, refusals, locks, passwords, staff and logs."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from aiohttp import web

from services.audit.api import (
    FilterOption,
    change_log_time,
    next_cursor,
    position_of,
    require_order,
    viewer_of,
)
from services.audit.keys import SECURITY_LOG, VIEWERS
from services.audit.security_log import SecurityFilter
from services.audit.viewers import Viewer
from shared.errors import FieldError, InvalidFields, NotAllowed
from shared.events import Envelope, security_entry, security_labels
from shared.http import answers
from shared.http.answers import json_answer, page_of
from shared.http.bodies import read_query
from shared.http.fields import Answer, Cursor, IsoDate, Limit, Line, Query, Timestamp
from shared.http.openapi import operation
from shared.rights import Right, require
from shared.security.tokens import CLIENT, STAFF

_TAG = "Logs"
_NOBODY = "Unknown"


class SecurityQuery(Query):
    """Which entries. Both dates are days in the agency's time zone, and inclusive.

    ``person`` is the username of a staff user or a portal login, or ``person`` of an entry; what they did and what was
    done to them is found.
    """

    event: Annotated[str, Line(100)] | None = None
    person: Annotated[str, Line(200)] | None = None
    start_date: IsoDate | None = None
    end_date: IsoDate | None = None
    limit: Limit = 25
    cursor: Cursor | None = None


class AboutOut(Answer):
    """Whom an event is about."""

    client_id: UUID | None
    portal_login_id: UUID | None
    staff_user_id: UUID | None


class SecurityOut(Answer):
    """An entry of the Security Log; ``date_and_time`` is in the agency's time zone.

    ``person`` is who did it, to filter by; null where nobody knows, as for a username that is nobody's.
    """

    id: UUID
    event: str
    event_label: str
    user: str
    username: str
    person: str | None
    description: str
    address: str | None
    about: AboutOut
    occurred_at: Timestamp
    date_and_time: str


class SecurityFiltersOut(Answer):
    """What the Security Log can be filtered by. ``people`` are staff; any portal login's username will do as well."""

    events: list[FilterOption]
    people: list[FilterOption]


async def _admin(request: web.Request) -> Viewer:
    # A client's token is good at this service: it is told no, not to sign in.
    viewer = await viewer_of(request, STAFF, CLIENT)
    require(viewer.actor, Right.READ_SECURITY_LOG)
    return viewer


@operation(
    "The Security Log",
    query=SecurityQuery,
    answers={200: answers.Page[SecurityOut]},
    problems=(NotAllowed,),
    security="staff",
    tag=_TAG,
)
async def security_log(request: web.Request) -> web.Response:
    """Newest first: sign-ins, refusals, locks, passwords, staff, and who read which log. Agency admins may read it."""
    viewer = await _admin(request)
    asked = read_query(request, SecurityQuery)
    require_order(asked.start_date, asked.end_date)
    page = await request.app[SECURITY_LOG].entries(
        viewer.actor,
        wanted=SecurityFilter(
            asked.event, asked.person, await _people(request, viewer, asked.person), asked.start_date, asked.end_date
        ),
        zone=viewer.zone,
        before=position_of(asked.cursor),
        limit=asked.limit,
    )
    return json_answer(page_of([_out(e, viewer.zone) for e in page.events], next_cursor(page)))


async def _people(request: web.Request, viewer: Viewer, person: str | None) -> list[str]:
    if person is None:
        return []
    # Usernames hold no colon.
    if ":" in person:
        return [person]
    found = await request.app[VIEWERS].called(viewer, person)
    if not found:
        raise InvalidFields(FieldError("person", "Nobody at your agency has this username."))
    return found


@operation(
    "What the Security Log can be filtered by",
    answers={200: SecurityFiltersOut},
    problems=(NotAllowed,),
    security="staff",
    tag=_TAG,
)
async def security_filters(request: web.Request) -> web.Response:
    """All kinds of events that belong to it, and the agency's staff."""
    viewer = await _admin(request)
    kinds = sorted(security_labels().items(), key=lambda kind: kind[1])
    return json_answer(
        SecurityFiltersOut(
            events=[FilterOption(value=type_, label=label) for type_, label in kinds],
            people=[FilterOption(value=name, label=shown) for name, shown in await request.app[VIEWERS].staff(viewer)],
        )
    )


def _out(event: Envelope, zone: ZoneInfo) -> SecurityOut:
    entry, actor, subject = security_entry(event), event.actor, event.subject
    known = actor.id or actor.username
    return SecurityOut(
        id=event.id,
        event=event.type,
        event_label=entry.label,
        user=actor.name or _NOBODY,
        username=actor.username,
        person=f"{actor.kind}:{known}" if known and not event.erased else None,
        description=entry.description,
        address=actor.address,
        about=AboutOut(
            client_id=subject.client_id,
            portal_login_id=subject.portal_login_id,
            staff_user_id=subject.staff_user_id,
        ),
        occurred_at=event.occurred_at,
        date_and_time=change_log_time(event.occurred_at, zone),
    )


def security_routes() -> list[web.RouteDef]:
    """What the audit service answers about the Security Log."""
    return [
        web.get("/api/v1/security-log", security_log),
        web.get("/api/v1/security-log/filters", security_filters),
    ]
