"""The Document Center and the Face Sheet Change Log."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from aiohttp import ClientTimeout
from aiohttp.test_utils import TestServer

from services.admin import audit_client
from tests.admin.conftest import Browser, Log, Town
from tests.admin.test_face_sheet_pages import search

MODIFIED = {
    "id": "0",
    "change_type": "Portal Login",
    "user": "NextStep Solutions",
    "description": "Portal Login cmalek was modified.",
    "lines": ["Active: Yes -> No", "Password updated"],
    "changes": [{"field": "Active", "old": "Yes", "new": "No"}, {"field": "Password", "old": None, "new": None}],
    "occurred_at": "2022-06-16T13:46:43Z",
}
HOMELESS = {
    "id": "1",
    "change_type": "Dynamic Fields",
    "user": "NextStep Solutions",
    "description": "Updated the following dynamic fields: Current Residence",
    "lines": ["In current residence field: Current Residence - {Set entry: CurrentHomeless to value: No}"],
    "changes": [{"field": "Current Residence - CurrentHomeless", "old": "Yes", "new": "No"}],
    "occurred_at": "2022-06-16T13:46:48Z",
}


@pytest.fixture
def answers(log: tuple[Log, TestServer]) -> Log:
    """What the log of the audit service holds."""
    log[0].items = [HOMELESS, MODIFIED]
    return log[0]


async def log_path(town: Town) -> str:
    return f"document-center/{town.client.id}/{await town.case_id()}/face-sheet-changes"


async def test_the_way_to_the_log(browser: Browser, town: Town, answers: Log) -> None:
    reports = await browser.get("reports")
    assert 'href="/riverside/document-center">Document Center</a>' in reports.text
    found = await search(browser, "malek", place="document-center")
    assert f'href="/riverside/document-center/{town.client.id}"' in found.text
    client = await browser.get(f"document-center/{town.client.id}")
    assert "Case # C26-09678 Residential, opened 04/30/2019" in client.words
    opened = await browser.post(f"document-center/{town.client.id}", client.form("Open Case"))
    assert opened.headers["Location"] == f"/riverside/document-center/{town.client.id}/{await town.case_id()}"
    case = await browser.get(opened.headers["Location"])
    assert ">Face Sheet Change Log</h2>" in case.text
    assert "Changes to this Client's face sheet" in case.words
    form = await browser.post(opened.headers["Location"], case.form("Open Form"))
    assert form.headers["Location"] == f"{opened.headers['Location']}/face-sheet-changes"
    page = await browser.get(form.headers["Location"])
    assert page.status == 200
    assert "Main Menu Reports Menu Document Center Catherine Malek Case # C26-09678 Face Sheet Change Log" in page.words
    for label in ("Change Type", "Changes By", "Start Date", "End Date"):
        assert f">{label}</label>" in page.text
    assert '<legend class="legend">Date Range</legend>' in page.text
    assert "Apply Filter" in page.words


async def test_entries_read_as_they_always_did(browser: Browser, town: Town, answers: Log) -> None:
    page = await browser.get(await log_path(town))
    assert (
        "User: NextStep Solutions Date and Time: 6/16/2022 9:46:48 AM"
        " Updated the following dynamic fields: Current Residence"
        " In current residence field: Current Residence - {Set entry: CurrentHomeless to value: No}"
        " Field Old value New value Current Residence - CurrentHomeless Yes No"
        " User: NextStep Solutions Date and Time: 6/16/2022 9:46:43 AM"
        " Portal Login cmalek was modified. Active: Yes -> No Password updated"
        " Field Old value New value Active Yes No"
    ) in page.words
    assert "New value Password" not in page.words


async def test_the_printed_page_names_agency_client_and_filters(browser: Browser, town: Town, answers: Log) -> None:
    page = await browser.get(f"{await log_path(town)}?change_type=Portal+Login&start_date=2022-06-14")
    assert "Riverside Family Services" in page.words
    assert "Malek, Catherine" in page.words
    assert "Change Type: Portal Login · Changes By: All · Start Date: 06/14/2022 · End Date: Any" in page.words
    assert 'class="print-only"' in page.text


async def test_filters_go_to_the_audit_service(browser: Browser, town: Town, answers: Log) -> None:
    query = "change_type=Portal+Login&changed_by=staff%3A1&start_date=2022-06-14&end_date=2022-06-16"
    page = await browser.get(f"{await log_path(town)}?{query}")
    assert page.status == 200
    assert answers.query == {
        "client_id": str(town.client.id),
        "change_type": "Portal Login",
        "changed_by": "staff:1",
        "start_date": "2022-06-14",
        "end_date": "2022-06-16",
        "limit": "25",
    }
    form = page.form("Apply Filter")
    assert form == {
        "change_type": "Portal Login",
        "changed_by": "staff:1",
        "start_date": "2022-06-14",
        "end_date": "2022-06-16",
    }


async def test_empty_filters_are_no_filters(browser: Browser, town: Town, answers: Log) -> None:
    await browser.get(f"{await log_path(town)}?change_type=&changed_by=&start_date=&end_date=&colour=blue")
    assert answers.query == {"client_id": str(town.client.id), "limit": "25"}


async def test_the_question_is_asked_as_the_staff_user(browser: Browser, town: Town, answers: Log) -> None:
    await browser.get(await log_path(town))
    assert {request.path for request in answers.asked} == {"/api/v1/changes", "/api/v1/changes/filters"}
    for request in answers.asked:
        scheme, _, token = request.headers["Authorization"].partition(" ")
        claims = jwt.decode(token, options={"verify_signature": False})
        assert scheme == "Bearer"
        assert claims["aud"] == "portico-staff"
        assert (claims["sub"], claims["agy"]) == (str(town.staff.user.id), str(town.agency.id))
        assert claims["exp"] - claims["iat"] == 60
        (row,) = await town.rows("select staff_user_id from accounts.sessions where id = $1", UUID(claims["sid"]))
        assert row["staff_user_id"] == town.staff.user.id


async def test_older_entries_follow_with_the_same_filters(browser: Browser, town: Town, answers: Log) -> None:
    answers.next_cursor = "opaque&cursor"
    path = await log_path(town)
    page = await browser.get(f"{path}?change_type=Portal+Login")
    assert f'href="/riverside/{path}?change_type=Portal+Login&amp;cursor=opaque%26cursor"' in page.text
    assert ">Newest</a>" not in page.text
    answers.next_cursor = None
    page = await browser.get(f"{path}?change_type=Portal+Login&cursor=opaque%26cursor")
    assert answers.query["cursor"] == "opaque&cursor"
    assert f'href="/riverside/{path}?change_type=Portal+Login">Newest</a>' in page.text
    assert "cursor" not in page.form("Apply Filter")


async def test_a_cursor_that_the_audit_service_refuses_leads_to_the_newest(
    browser: Browser, town: Town, answers: Log
) -> None:
    answers.status = 422
    page = await browser.get(f"{await log_path(town)}?change_type=A&cursor=stale")
    assert (page.status, page.headers["Location"]) == (303, f"/riverside/{await log_path(town)}?change_type=A")


async def test_dates_that_make_no_sense_are_told_beside_the_field(browser: Browser, town: Town, answers: Log) -> None:
    path = await log_path(town)
    for query, count in (
        ("start_date=2022-02-30", 1),
        ("end_date=06/16/2022", 1),
        ("start_date=2022-06-16&end_date=2022-06-14", 1),
        ("start_date=x&end_date=y", 2),
        ("change_type=" + "x" * 201, 1),
    ):
        answers.asked.clear()
        page = await browser.get(f"{path}?{query}")
        assert page.status == 422
        assert len(page.errors) == count or "change_type" in query
        assert page.summary
        assert "can’t be shown" not in page.words
        assert [request.path for request in answers.asked] == ["/api/v1/changes/filters"], query
    for query in ("start_date=%00", "change_type=%00", "cursor=%07", "changed_by=%FF%FE"):
        assert (await browser.get(f"{path}?{query}")).status == 200, query


async def test_a_filter_that_the_log_holds_nothing_of_is_shown_all_the_same(
    browser: Browser, town: Town, answers: Log
) -> None:
    answers.items = []
    page = await browser.get(f"{await log_path(town)}?change_type=Retired")
    assert page.form("Apply Filter")["change_type"] == "Retired"
    assert "No data" in page.words


async def test_without_the_audit_service_the_page_says_so_and_the_rest_works(
    browser: Browser, town: Town, answers: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = await log_path(town)
    monkeypatch.setattr(audit_client, "TIMEOUT", ClientTimeout(total=0.2))
    for status, delay in ((500, 0.0), (401, 0.0), (503, 0.0), (200, 1.0)):
        answers.status, answers.delay = status, delay
        page = await browser.get(f"{path}?start_date=2022-06-14")
        assert page.status == 503
        assert int(page.headers["Retry-After"]) > 0
        assert "The Face Sheet Change Log can’t be shown right now." in page.words
        assert page.form("Apply Filter")["start_date"] == "2022-06-14"
        assert f'href="/riverside/{path}?start_date=2022-06-14">Try again</a>' in page.text
        invalid = await browser.get(f"{path}?start_date=x")
        assert invalid.status == 422
    assert (await browser.get(f"clients/{town.client.id}")).status == 200


async def test_answers_that_nobody_understands_are_no_answers(browser: Browser, town: Town, answers: Log) -> None:
    items: Any
    for items in ([{"user": "x"}], [{**MODIFIED, "occurred_at": "yesterday"}], "none"):
        answers.items = items
        assert (await browser.get(await log_path(town))).status == 503


async def test_words_from_the_log_are_no_markup(browser: Browser, town: Town, answers: Log) -> None:
    bad = "<script>alert(1)</script>"
    answers.items = [
        {**MODIFIED, "user": bad, "description": bad, "lines": [bad], "changes": [{"field": bad, "old": bad}]}
    ]
    assert bad not in (await browser.get(await log_path(town))).text


async def test_a_client_without_a_case_is_reached_through_no_case(browser: Browser, town: Town, answers: Log) -> None:
    client = await town.world.client(town.agency, client_number="2", case_number=None)
    page = await browser.get(f"document-center/{client.id}")
    assert "No case" in page.words
    opened = await browser.post(f"document-center/{client.id}", page.form("Open Case"))
    assert opened.headers["Location"] == f"/riverside/document-center/{client.id}/no-case"
    form = await browser.post(
        opened.headers["Location"], (await browser.get(opened.headers["Location"])).form("Open Form")
    )
    log = await browser.get(form.headers["Location"])
    assert log.status == 200
    assert answers.query["client_id"] == str(client.id)


async def test_a_client_with_a_case_is_not_reached_through_no_case(browser: Browser, town: Town, answers: Log) -> None:
    for path in ("no-case", "no-case/face-sheet-changes"):
        assert (await browser.get(f"document-center/{town.client.id}/{path}")).status == 404


async def test_choices_that_cannot_be_are_told(browser: Browser, town: Town, answers: Log) -> None:
    client = await browser.get(f"document-center/{town.client.id}")
    for chosen in ({}, {"case": ""}, {"case": "no-case"}, {"case": str(uuid4())}, {"case": "\x00"}):
        form = {"csrf_token": client.form("Open Case")["csrf_token"], **chosen}
        page = await browser.post(f"document-center/{town.client.id}", form)
        assert (page.status, page.errors) == (422, ["Choose a case."]), chosen
    path = f"document-center/{town.client.id}/{await town.case_id()}"
    for chosen in ({}, {"form": ""}, {"form": "other"}):
        page = await browser.post(path, {"csrf_token": client.form("Open Case")["csrf_token"], **chosen})
        assert (page.status, page.errors) == (422, ["Choose what to open."]), chosen


async def test_cases_of_others_are_not_there(browser: Browser, town: Town, answers: Log) -> None:
    second = await town.world.client(town.agency, client_number="2", case_number="C2")
    other = await town.world.agency("lakeside")
    theirs = await town.world.client(other)
    cases = [
        *await town.world.case_ids(town.agency, second),
        *await town.world.case_ids(other, theirs),
        uuid4(),
        "-" * 36,
    ]
    answers.asked.clear()
    for case in cases:
        for path in (f"{case}", f"{case}/face-sheet-changes"):
            assert (await browser.get(f"document-center/{town.client.id}/{path}")).status == 404
    assert answers.asked == []


async def test_times_are_those_of_the_agency(browser: Browser, town: Town, answers: Log) -> None:
    await town.execute("update accounts.agencies set time_zone = 'America/Los_Angeles'")
    assert "Date and Time: 6/16/2022 6:46:48 AM" in (await browser.get(await log_path(town))).words


async def test_an_agency_without_a_contract_reads_its_log(browser: Browser, town: Town, answers: Log) -> None:
    await town.execute("update accounts.agencies set contracted = false")
    assert "Portal Login cmalek was modified." in (await browser.get(await log_path(town))).words


async def test_documents_need_the_sessions_own_form(browser: Browser, town: Town) -> None:
    for path in (f"document-center/{town.client.id}", f"document-center/{town.client.id}/{await town.case_id()}"):
        assert (await browser.post(path, {"case": "no-case", "form": "face-sheet-changes"})).status == 403
