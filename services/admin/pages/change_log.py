"""The Face Sheet Change Log: filters, entries, pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web

from services.admin.audit_client import (
    ChangedField,
    ChangeFilters,
    ChangeItem,
    ChangeLogUnavailable,
    ChangePage,
    UnknownCursor,
    WantedChanges,
)
from services.admin.keys import AUDIT, VISITOR
from services.admin.pages import log_query
from services.admin.pages.documents import CHANGES, case_fact, case_label, crumbs_of, file_url, opened
from services.admin.pages.log_query import LABELS, LogQuery
from services.admin.pages.visitors import for_staff
from services.admin.pages.wording import log_time
from services.admin.use_cases.documents import ClientFile
from services.admin.visitor import Visitor
from shared.errors import InvalidFields
from shared.http.forms import Form
from shared.http.pages import render, see_other

_ROWS = 25


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as the page shows it."""

    user: str
    when: str
    datetime: str
    description: str
    lines: Sequence[str]
    changes: Sequence[ChangedField]

    @classmethod
    def of(cls, item: ChangeItem, visitor: Visitor) -> Entry:
        """With its time in the agency's zone; a change without values (a password) needs no row."""
        return cls(
            user=item.user,
            when=log_time(item.occurred_at, visitor.agency.zone),
            datetime=item.occurred_at.isoformat(),
            description=item.description,
            lines=item.lines,
            changes=[change for change in item.changes if change.old or change.new],
        )


@dataclass(frozen=True, slots=True)
class _Log:
    """What there is to show; without ``page`` there are no entries to be had."""

    file: ClientFile
    typed: Mapping[str, str]
    query: LogQuery | None = None
    page: ChangePage | None = None
    filters: ChangeFilters | None = None
    errors: Mapping[str, str] = field(default_factory=dict)


@for_staff
async def show(request: web.Request) -> web.StreamResponse:
    """The log of a client's face sheet."""
    audit, actor = request.app[AUDIT], request[VISITOR].actor
    file, typed = await opened(request), log_query.typed_into(request)
    try:
        query = log_query.query_of(typed)
    except InvalidFields as error:
        errors = {found.field: found.message for found in error.errors}
        filters = await _filters_if_any(request, file.client.id)
        return _page(request, _Log(file, typed, filters=filters, errors=errors), status=error.status)
    wanted = WantedChanges(client_id=file.client.id, **query.model_dump())
    try:
        page, filters = await audit.changes(actor=actor, wanted=wanted, limit=_ROWS)
    except UnknownCursor:
        return see_other(_url(request, file, typed, cursor=None))
    except ChangeLogUnavailable as error:
        headers = {"Retry-After": str(error.retry_after)}
        return _page(request, _Log(file, typed, query), status=error.status, headers=headers)
    return _page(request, _Log(file, typed, query, page, filters))


async def _filters_if_any(request: web.Request, client_id: UUID) -> ChangeFilters | None:
    try:
        return await request.app[AUDIT].filters(actor=request[VISITOR].actor, client_id=client_id)
    except ChangeLogUnavailable:
        return None


def _page(
    request: web.Request, log: _Log, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    visitor, file, typed = request[VISITOR], log.file, log.typed
    form: Form[LogQuery] = Form(typed, log.errors, None)
    types = log_query.options_of(log.filters.change_types if log.filters else (), typed.get("change_type"))
    people = log_query.options_of(log.filters.changed_by if log.filters else (), typed.get("changed_by"))
    further = log.page.next_cursor if log.page else None
    case_url = file_url(request, file.client.id, file.case.id if file.case else None)
    return render(
        request,
        "change_log.html",
        status=status,
        headers=headers,
        file=file,
        case_fact=case_fact(file),
        form=form,
        labels=LABELS,
        entries=[Entry.of(item, visitor) for item in log.page.items] if log.page else None,
        types=types,
        people=people,
        in_words=log_query.in_words(log.query, types, people),
        older_url=_url(request, file, typed, cursor=further) if further else None,
        newest_url=_url(request, file, typed, cursor=None) if "cursor" in typed else None,
        again_url=_url(request, file, typed, cursor=typed.get("cursor")),
        crumbs=crumbs_of(request, file, (case_label(file), case_url), ("Face Sheet Change Log", None)),
    )


def _url(request: web.Request, file: ClientFile, typed: Mapping[str, str], *, cursor: str | None) -> str:
    """The address of the log with these filters, from this cursor on."""
    query = {name: text for name, text in typed.items() if name != "cursor"} | ({"cursor": cursor} if cursor else {})
    path = file_url(request, file.client.id, file.case.id if file.case else None, CHANGES)
    return f"{path}?{urlencode(query)}" if query else path
