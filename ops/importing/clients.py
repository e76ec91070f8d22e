"""Puts a roster's rows into an agency, batch by batch: each batch commits with its events, or not at all.

A client is known by the client number. One that the agency has already keeps what staff made of it and only gets the
cases that it lacks, so an import can be run again after a crash, or with next month's export.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from ops.importing.roster import Refused, RosterCase, RosterRow
from shared.accounts.search_terms import folded, terms_of_client
from shared.actors import Actor
from shared.db import named_queries
from shared.events import Payload, Subject
from shared.events.catalogue import CaseOpened, ClientCreated, PortalRefusalChanged
from shared.outbox import Transaction, Work

SQL = named_queries(__package__, "sql/import.sql")

BATCH = 500


@dataclass(slots=True)
class Outcome:
    """What came of an import."""

    clients_added: int = 0
    clients_known: int = 0
    cases_added: int = 0
    cases_known: int = 0
    refused: list[Refused] = field(default_factory=list)


async def run(work: Work, *, actor: Actor, rows: Sequence[RosterRow], advance: Callable[[int], None]) -> Outcome:
    """Import good rows; ``advance`` is told how many rows each step took."""
    outcome = Outcome()
    counted: set[str] = set()
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        async with work.transaction(actor) as tx:
            await _import_batch(tx, batch, outcome, counted)
        advance(len(batch))
    return outcome


async def _import_batch(tx: Transaction, batch: Sequence[RosterRow], outcome: Outcome, counted: set[str]) -> None:
    numbers = [row.client_number for row in batch]
    ids: dict[str, UUID] = {r["client_number"]: r["id"] for r in await tx.conn.fetch(SQL["existing_clients"], numbers)}
    outcome.clients_known += len({n for n in ids if n not in counted})
    counted.update(numbers)
    new = {row.client_number: row for row in reversed(batch) if row.client_number not in ids}
    ids |= {number: tx.new_id() for number in new}
    events = await _insert_clients(tx, new, ids)
    events += await _insert_cases(tx, batch, ids, outcome)
    await _index(tx, batch, ids, new)
    outcome.clients_added += len(new)
    await tx.append_all(events)


async def _insert_clients(
    tx: Transaction, new: dict[str, RosterRow], ids: dict[str, UUID]
) -> list[tuple[Payload, Subject]]:
    events: list[tuple[Payload, Subject]] = []
    records = []
    for number, row in new.items():
        records.append(_client_record(tx, ids[number], row))
        subject = Subject(client_id=ids[number])
        events.append((ClientCreated(client_number=number, imported=True), subject))
        if row.portal_refused:
            events.append((PortalRefusalChanged(refused=True), subject))
    await tx.conn.executemany(SQL["insert_client"], records)
    return events


def _client_record(tx: Transaction, client_id: UUID, row: RosterRow) -> tuple[object, ...]:
    return (
        client_id,
        tx.agency_id,
        row.client_number,
        row.first_name,
        row.last_name,
        folded(row.first_name),
        folded(row.last_name),
        row.date_of_birth,
        row.portal_refused,
        tx.now if row.portal_refused else None,
        row.dynamic_fields,
        tx.now,
    )


async def _insert_cases(
    tx: Transaction, batch: Sequence[RosterRow], ids: dict[str, UUID], outcome: Outcome
) -> list[tuple[Payload, Subject]]:
    numbers = [row.case.case_number for row in batch if row.case]
    owners: dict[str, str] = {
        r["case_number"]: r["client_number"] for r in await tx.conn.fetch(SQL["existing_cases"], numbers)
    }
    events: list[tuple[Payload, Subject]] = []
    records = []
    for row in batch:
        if row.case is None:
            continue
        owner = owners.setdefault(row.case.case_number, "")
        if owner not in ("", row.client_number):
            message = f"The case number belongs to the client {owner}."
            outcome.refused.append(Refused(row.line, "case_number", message))
        elif owner:
            outcome.cases_known += 1
        else:
            owners[row.case.case_number] = row.client_number
            case_id = tx.new_id()
            records.append(_case_record(tx, case_id, ids[row.client_number], row.case))
            events.append((_opened(row.case), Subject(client_id=ids[row.client_number], case_id=case_id)))
    await tx.conn.executemany(SQL["insert_case"], records)
    outcome.cases_added += len(records)
    return events


def _case_record(tx: Transaction, case_id: UUID, client_id: UUID, case: RosterCase) -> tuple[object, ...]:
    return (case_id, tx.agency_id, client_id, case.case_number, case.program, case.opened_on, case.closed_on)


def _opened(case: RosterCase) -> CaseOpened:
    return CaseOpened(
        case_number=case.case_number, program=case.program, opened_on=case.opened_on, closed_on=case.closed_on
    )


async def _index(tx: Transaction, batch: Sequence[RosterRow], ids: dict[str, UUID], new: dict[str, RosterRow]) -> None:
    pairs = [(ids[row.client_number], term) for row in batch for term in _terms(row, is_new=row.client_number in new)]
    await tx.conn.execute(SQL["insert_terms"], tx.agency_id, [p[0] for p in pairs], [p[1] for p in pairs])


def _terms(row: RosterRow, *, is_new: bool) -> set[str]:
    cases = [row.case.case_number] if row.case else []
    if not is_new:
        # Its name may be another one here by now; only the case is news.
        return {folded(number) for number in cases}
    return terms_of_client(
        first_name=row.first_name,
        last_name=row.last_name,
        date_of_birth=row.date_of_birth,
        client_number=row.client_number,
        case_numbers=cases,
    )
