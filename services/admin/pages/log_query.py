"""The filters of the Face Sheet Change Log, as the page's address carries them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Self

from aiohttp import web
from pydantic import Field, model_validator

from services.admin.audit_client import Choice
from services.admin.pages.wording import us_date
from shared.http.bodies import validate
from shared.http.fields import IsoDate, Line, Query, has_control_characters, sentence

_NAMES = ("change_type", "changed_by", "start_date", "end_date", "cursor")
LABELS: Mapping[str, str] = {
    "change_type": "Change Type",
    "changed_by": "Changes By",
    "start_date": "Start Date",
    "end_date": "End Date",
}

Options = Sequence[tuple[str, str]]


class LogQuery(Query):
    """What to filter by, within what the audit service takes; both dates are inclusive."""

    change_type: Annotated[str, Line(100)] | None = None
    changed_by: Annotated[str, Line(200)] | None = None
    start_date: IsoDate | None = None
    end_date: IsoDate | None = None
    cursor: Annotated[str, Field(max_length=512)] | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        require_order(self.start_date, self.end_date)
        return self


def require_order(start: date | None, end: date | None) -> None:
    """For a model's validator: raises a sentence at the field End Date when the days are the wrong way round."""
    if start and end and end < start:
        raise sentence("Choose a day that is not before the start date.", field="end_date")


def typed_into(request: web.Request) -> dict[str, str]:
    """What stands in the address; empty filters are none, and what nobody can read or type is left out."""
    given = {name: request.query.get(name, "").strip() for name in _NAMES}
    return {name: text for name, text in given.items() if text and not has_control_characters(text)}


def query_of(typed: Mapping[str, str]) -> LogQuery:
    """The filters. Raises InvalidFields."""
    return validate(LogQuery, typed)


def options_of(choices: Sequence[Choice], chosen: str | None) -> Options:
    """What a filter offers, with what is chosen even when the log holds nothing of it any more."""
    found = [("", "All"), *((choice.value, choice.label) for choice in choices)]
    if chosen and chosen not in dict(found):
        found.append((chosen, chosen))
    return found


def in_words(query: LogQuery | None, types: Options, people: Options) -> Sequence[tuple[str, str]]:
    """The filters as a printed page says them."""
    if query is None:
        return ()
    return (
        (LABELS["change_type"], dict(types).get(query.change_type or "", "")),
        (LABELS["changed_by"], dict(people).get(query.changed_by or "", "")),
        (LABELS["start_date"], us_date(query.start_date) or "Any"),
        (LABELS["end_date"], us_date(query.end_date) or "Any"),
    )
