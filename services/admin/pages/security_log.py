"""The Security Log for agency admins: filters, entries, pages. Filters come by POST, so no address names anybody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Self

from aiohttp import web
from pydantic import Field, model_validator

from services.admin.audit_client import (
    SecurityFilters,
    SecurityItem,
    SecurityLogUnavailable,
    SecurityPage,
    UnknownCursor,
    UnknownPerson,
    WantedSecurity,
)
from services.admin.keys import AUDIT, VISITOR
from services.admin.pages import log_query
from services.admin.pages.menus import SECURITY_LOG, administration, crumbs_to
from services.admin.pages.visitors import for_staff, read_own_form, url
from services.admin.pages.wording import log_time, us_date
from services.admin.visitor import Visitor
from shared.http.fields import Body, IsoDate, Line
from shared.http.forms import Form
from shared.http.pages import render
from shared.rights import Right, require

PAGE: Final = SECURITY_LOG.page
_ROWS: Final = 25
_LABELS: Final[Mapping[str, str]] = {
    "event": "Event",
    "person": "Person",
    "start_date": "Start Date",
    "end_date": "End Date",
}


class SecurityForm(Body):
    """What to filter by; both dates are inclusive. ``cursor`` is where the page before ended."""

    event: Annotated[str, Line(100)] | None = None
    person: Annotated[str, Line(200)] | None = None
    start_date: IsoDate | None = None
    end_date: IsoDate | None = None
    cursor: Annotated[str, Field(max_length=512)] | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        log_query.require_order(self.start_date, self.end_date)
        return self


_NOTHING_TYPED: Final[Form[SecurityForm]] = Form({}, {}, SecurityForm())


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as the page shows it."""

    when: str
    datetime: str
    user: str
    event: str
    description: str
    address: str

    @classmethod
    def of(cls, item: SecurityItem, visitor: Visitor) -> Entry:
        """With its time in the agency's zone."""
        return cls(
            when=log_time(item.occurred_at, visitor.agency.zone),
            datetime=item.occurred_at.isoformat(),
            user=item.user,
            event=item.event_label,
            description=item.description,
            address=item.address or "None",
        )


@for_staff
async def show(request: web.Request) -> web.StreamResponse:
    """The newest entries."""
    require(request[VISITOR].actor, Right.READ_SECURITY_LOG)
    return await _answer(request, _NOTHING_TYPED)


@for_staff
async def search(request: web.Request) -> web.StreamResponse:
    """The entries that were asked for."""
    form = await read_own_form(request, SecurityForm)
    require(request[VISITOR].actor, Right.READ_SECURITY_LOG)
    return await _answer(request, form)


async def _answer(request: web.Request, form: Form[SecurityForm]) -> web.Response:
    audit, actor = request.app[AUDIT], request[VISITOR].actor
    try:
        filters = await audit.security_filters(actor=actor)
    except SecurityLogUnavailable as error:
        return _page(request, form, None, None, status=error.status, retry_after=error.retry_after)
    if form.model is None:
        return _page(request, form, filters, None, status=422)
    try:
        page = await audit.security_log(actor=actor, wanted=WantedSecurity(**form.model.model_dump()), limit=_ROWS)
    except UnknownCursor:
        return await _answer(request, _from_the_newest(form, form.model))
    except UnknownPerson as error:
        return _page(request, form.refused(error.errors), filters, None, status=error.status)
    except SecurityLogUnavailable as error:
        return _page(request, form, filters, None, status=error.status, retry_after=error.retry_after)
    return _page(request, form, filters, page)


def _from_the_newest(form: Form[SecurityForm], model: SecurityForm) -> Form[SecurityForm]:
    values = {name: text for name, text in form.values.items() if name != "cursor"}
    return Form(values, {}, model.model_copy(update={"cursor": None}))


def _page(
    request: web.Request,
    form: Form[SecurityForm],
    filters: SecurityFilters | None,
    page: SecurityPage | None,
    *,
    status: int = 200,
    retry_after: int | None = None,
) -> web.Response:
    visitor = request[VISITOR]
    events = log_query.options_of(filters.events if filters else (), form.value("event"))
    return render(
        request,
        "security_log.html",
        status=status,
        headers={"Retry-After": str(retry_after)} if retry_after is not None else None,
        title=SECURITY_LOG.label,
        action=url(request, PAGE),
        form=form,
        labels=_LABELS,
        events=events,
        people=filters.people if filters else (),
        filtered_by={name: text for name, text in form.values.items() if name in _LABELS and text},
        in_words=_in_words(form.model, events),
        entries=[Entry.of(item, visitor) for item in page.items] if page else None,
        next_cursor=page.next_cursor if page else None,
        crumbs=crumbs_to(request, administration(request), (SECURITY_LOG.label, None)),
    )


def _in_words(query: SecurityForm | None, events: log_query.Options) -> Sequence[tuple[str, str]]:
    """The filters as a printed page says them."""
    if query is None:
        return ()
    return (
        (_LABELS["event"], dict(events).get(query.event or "", "")),
        (_LABELS["person"], query.person or "All"),
        (_LABELS["start_date"], us_date(query.start_date) or "Any"),
        (_LABELS["end_date"], us_date(query.end_date) or "Any"),
    )
