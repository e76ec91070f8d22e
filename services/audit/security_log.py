"""The Security Log of an agency's admins, read from the store: by type, by person, by days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from services.audit import store
from services.audit.notes import note_of
from services.audit.queries import HIGHEST, SQL, Page, ids_of_days, page_of_rows
from shared.actors import Actor
from shared.clock import Clock
from shared.db import Pool
from shared.events import security_labels
from shared.events.staff_catalogue import LogViewed


@dataclass(frozen=True, slots=True)
class SecurityFilter:
    """What the log is filtered by. Both dates are days of the agency's zone, and inclusive.

    ``person`` is what was asked for, ``people`` who that is, each as ``kind:id``.
    """

    event: str | None = None
    person: str | None = None
    people: Sequence[str] = ()
    start_date: date | None = None
    end_date: date | None = None

    @property
    def types(self) -> list[str]:
        """The types of event to show: only such that belong to the log."""
        known = security_labels()
        return [type_ for type_ in known if self.event in (None, type_)]

    def named(self) -> dict[str, str]:
        """The filters that are set, in words."""
        fields = ("event", "person", "start_date", "end_date")
        return {name: str(value) for name in fields if (value := getattr(self, name)) is not None}

    def questions(self) -> list[tuple[str, tuple[object, ...]]]:
        """The queries to ask, each with the values that it has besides the others."""
        if self.person is None:
            return [("security_of_agency", ())]
        return [question for key in self.people for question in _questions_about(key)]


def _questions_about(key: str) -> list[tuple[str, tuple[object, ...]]]:
    kind, _, name = key.partition(":")
    person = _uuid(name)
    if kind == "portal_login":
        return [("security_of_login", (person,))]
    by: list[tuple[str, tuple[object, ...]]] = [("security_by_actor", (key,))]
    return [*by, ("security_of_staff", (person,))] if kind == "staff" else by


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


class SecurityLog:
    """Reads one agency's log at a time; that somebody read it is an event itself, which stands in it next time."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def entries(
        self, actor: Actor, *, wanted: SecurityFilter, zone: ZoneInfo, before: UUID | None, limit: int
    ) -> Page:
        """The newest entries before ``before``."""
        low, high = ids_of_days(wanted.start_date, wanted.end_date, zone)
        values = (actor.agency_id, wanted.types, min(before or HIGHEST, high), low, limit + 1)
        async with self._pool.transaction(actor.agency_id) as conn:
            # What somebody did and what was done to them may be the same event.
            found = {
                row["id"]: row
                for query, further in wanted.questions()
                for row in await conn.fetch(SQL[query], *values, *further)
            }
            if before is None:
                viewed = LogViewed(log="security", filters=wanted.named())
                await store.append(conn, [note_of(viewed, actor=actor, now=self._clock())])
        return page_of_rows(sorted(found.values(), key=lambda row: row["id"], reverse=True), limit)
