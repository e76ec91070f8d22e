"""Clients are found by any prefix of a name, a date of birth, or a number, whatever the accents."""

from __future__ import annotations

from datetime import date

import pytest

from services.admin.use_cases import face_sheets
from services.admin.use_cases.credentials import Credentials
from shared.outbox import Work
from tests.support.people import World


@pytest.mark.parametrize(
    "query",
    [
        "Nguyễn",
        "nguyen",
        "NGUY",
        "duc nguyen",
        "Nguyen, Duc",
        "D",
        "1987-06-16",
        "1987-06",
        "6/16/1987",
        "06/16/1987",
        "100007",
        "1000",
        "c22-100",
        "C22-10001",
        "duc 1987",
        "le",
        "obrien",
        "o'bri",
    ],
)
async def test_a_client_is_found(world: World, admin_work: Work, query: str) -> None:
    agency = await world.agency()
    staff = await world.staff(agency)
    wanted = await world.client(
        agency,
        first_name="Đức Lê-O'Brien",
        last_name="Nguyễn",
        date_of_birth=date(1987, 6, 16),
        client_number="100007",
        case_number="C22-10001",
    )
    # obrien is a part of a double name, after the hyphen.
    await world.client(
        agency,
        first_name="Zoe",
        last_name="Xu",
        date_of_birth=date(1901, 1, 1),
        client_number="77",
        case_number="K1",
    )
    found = await face_sheets.search(admin_work, actor=staff.actor, query=query, after=None, limit=10)
    assert [f.id for f in found] == [wanted.id]


@pytest.mark.parametrize("query", ["", "   ", ",", "nguyen smith", "%", "_", "guyen", "2026"])
async def test_what_does_not_match_finds_nobody(world: World, admin_work: Work, query: str) -> None:
    agency = await world.agency()
    staff = await world.staff(agency)
    await world.client(agency, last_name="Nguyễn")
    assert await face_sheets.search(admin_work, actor=staff.actor, query=query, after=None, limit=10) == []


async def test_pages_follow_one_another_without_gap_or_twin(world: World, admin_work: Work) -> None:
    agency = await world.agency()
    staff = await world.staff(agency)
    for n in range(7):
        await world.client(agency, first_name=f"Ann{n % 2}", last_name="Ángel", client_number=f"N{n}", case_number=None)
    seen, after = [], None
    while page := await face_sheets.search(admin_work, actor=staff.actor, query="angel", after=after, limit=3):
        seen += [f.client_number for f in page]
        after = page[-1].position
    assert sorted(seen) == [f"N{n}" for n in range(7)]


async def test_a_changed_name_is_found_and_the_old_one_is_not(
    world: World, admin_work: Work, credentials: Credentials
) -> None:
    agency = await world.agency()
    staff = await world.staff(agency)
    client = await world.client(agency, last_name="Before")
    change = face_sheets.FaceSheetChange(last_name="After")
    await face_sheets.update(admin_work, credentials, actor=staff.actor, client_id=client.id, change=change)
    for query, count in (("after", 1), ("before", 0), ("C26-09678", 1)):
        found = await face_sheets.search(admin_work, actor=staff.actor, query=query, after=None, limit=10)
        assert len(found) == count
