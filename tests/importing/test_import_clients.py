"""`portico import clients`: every row is checked, nothing is imported twice, what is refused is told."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from ops.importing.cli import import_file
from ops.importing.clients import Outcome
from ops.problems import Problem
from ops.sample.data import ROSTERS
from services.admin.use_cases import face_sheets
from services.admin.use_cases.credentials import Credentials
from shared.db import Pool
from shared.deliveries.sealing import Sealer, new_key_pair
from shared.outbox import Work
from shared.security.passwords import PasswordHasher
from tests.support.databases import Database
from tests.support.people import World

HEADER = (
    "client_number,case_number,first_name,last_name,date_of_birth,program,opened_on,closed_on,email,portal_refused\n"
)
GOOD = "1001,C1,Ana,Núñez,1990-05-01,Respite,2024-01-01,,ana@example.com,No\n"


async def imported(database: Database, path: Path, text: str | None = None, *, slug: str = "riverside") -> Outcome:
    if text is not None:
        path.write_text(text, encoding="utf-8")
    console = Console(file=io.StringIO())
    return await import_file(database.url("portico_admin"), path, slug, dry_run=False, console=console)


async def test_the_sample_roster_is_imported_once(database: Database, world: World, admin_pool: Pool) -> None:
    agency = await world.agency("lakeside")
    path = ROSTERS / "lakeside.csv"
    first = await imported(database, path, slug="lakeside")
    again = await imported(database, path, slug="lakeside")
    assert (first.clients_added, first.refused) == (120, [])
    assert (again.clients_added, again.cases_added) == (0, 0)
    assert (again.clients_known, again.cases_known) == (120, first.cases_added)
    async with admin_pool.transaction(agency.id) as conn:
        assert await conn.fetchval("select count(*) from accounts.clients") == 120
        assert await conn.fetchval("select count(*) from accounts.cases") == first.cases_added


async def test_what_is_imported_is_found_and_has_its_events(
    database: Database, world: World, admin_work: Work, relay_pool: Pool, tmp_path: Path
) -> None:
    agency = await world.agency()
    staff = await world.staff(agency)
    await imported(database, tmp_path / "r.csv", HEADER + GOOD)
    found = await face_sheets.search(admin_work, actor=staff.actor, query="nunez", after=None, limit=5)
    assert [f.client_number for f in found] == ["1001"]
    async with relay_pool.transaction(None) as conn:
        types = [
            r["type"] for r in await conn.fetch("select body::json ->> 'type' as type from accounts.outbox order by id")
        ]
    assert types == ["client.created", "case.opened"]


async def test_a_client_with_two_cases_has_two_rows(database: Database, world: World, tmp_path: Path) -> None:
    await world.agency()
    outcome = await imported(database, tmp_path / "r.csv", HEADER + GOOD + GOOD.replace("C1", "C2"))
    assert (outcome.clients_added, outcome.cases_added) == (1, 2)


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (GOOD.replace("1990-05-01", "01/05/1990"), "date_of_birth"),
        (GOOD.replace("1990-05-01", "2990-05-01"), "date_of_birth"),
        (GOOD.replace("Ana,", ","), "first_name"),
        (GOOD.replace("1001,", ","), "client_number"),
        (GOOD.replace("Ana", "A" * 101), "first_name"),
        (GOOD.replace("Ana", "A\x07na"), "first_name"),
        (GOOD.replace("ana@example.com", "ana at example"), "email"),
        (GOOD.replace("2024-01-01,", "2024-01-01,2023-01-01"), "closed_on"),
        (GOOD.replace("2024-01-01", "yesterday"), "opened_on"),
        (GOOD.replace(",No", ",Perhaps"), "portal_refused"),
        ("1001,C1,Ana\n", "row"),
        (GOOD.replace("Respite", "R" * 101), "program"),
    ],
)
async def test_a_bad_row_is_told_by_line_and_field_and_the_others_are_imported(
    database: Database, world: World, tmp_path: Path, row: str, field: str
) -> None:
    await world.agency()
    other = GOOD.replace("1001", "1002").replace("C1", "C9")
    outcome = await imported(database, tmp_path / "r.csv", HEADER + row + other)
    assert [(r.line, r.field) for r in outcome.refused] == [(2, field)]
    assert outcome.clients_added == 1


async def test_rows_that_contradict_each_other_are_refused(database: Database, world: World, tmp_path: Path) -> None:
    await world.agency()
    twin = GOOD.replace("C1", "C2").replace("Ana", "Bea")
    outcome = await imported(database, tmp_path / "r.csv", HEADER + GOOD + twin)
    assert [(r.line, r.field) for r in outcome.refused] == [(3, "first_name")]


async def test_a_case_number_of_another_client_is_refused(database: Database, world: World, tmp_path: Path) -> None:
    await world.agency()
    outcome = await imported(database, tmp_path / "r.csv", HEADER + GOOD + GOOD.replace("1001", "1002"))
    assert [(r.line, r.field) for r in outcome.refused] == [(3, "case_number")]


async def test_an_import_never_overwrites_what_staff_wrote(
    database: Database, world: World, admin_work: Work, hasher: PasswordHasher, tmp_path: Path
) -> None:
    credentials = Credentials(hasher, Sealer(new_key_pair()[1]), "https://portal.example")
    agency = await world.agency()
    staff = await world.staff(agency)
    await imported(database, tmp_path / "r.csv", HEADER + GOOD)
    found = await face_sheets.search(admin_work, actor=staff.actor, query="1001", after=None, limit=5)
    change = face_sheets.FaceSheetChange(first_name="Anna")
    await face_sheets.update(admin_work, credentials, actor=staff.actor, client_id=found[0].id, change=change)
    await imported(database, tmp_path / "r.csv", HEADER + GOOD + GOOD.replace("C1", "C2"))
    sheet = await face_sheets.view(admin_work, actor=staff.actor, client_id=found[0].id)
    assert sheet.client.first_name == "Anna"
    assert {case.case_number for case in sheet.cases} == {"C1", "C2"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "lacks the columns"),
        ("client_number,first_name\n1,2\n", "last_name, date_of_birth"),
        (HEADER.replace("program", "colour") + GOOD, "colour"),
        (HEADER + 'x,"y\n', "no CSV"),
    ],
)
async def test_what_is_no_roster_is_refused_in_one_sentence(
    database: Database, world: World, tmp_path: Path, text: str, reason: str
) -> None:
    await world.agency()
    with pytest.raises(Problem, match=reason):
        await imported(database, tmp_path / "r.csv", text)


async def test_another_encoding_is_refused(database: Database, world: World, tmp_path: Path) -> None:
    await world.agency()
    path = tmp_path / "r.csv"
    path.write_bytes((HEADER + GOOD).encode("latin-1"))
    with pytest.raises(Problem, match="UTF-8"):
        await imported(database, path)


async def test_an_unknown_agency_is_told(database: Database, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no agency 'nowhere'"):
        await imported(database, tmp_path / "r.csv", HEADER + GOOD, slug="nowhere")
