"""The Security Log's page: who finds it, how it is filtered, and what it says when the audit service is away."""

from __future__ import annotations

import jwt
import pytest
from aiohttp import ClientTimeout, web
from aiohttp.test_utils import TestClient, TestServer

from services.admin import audit_client
from tests.admin.conftest import Browser, Log, Town

PATH = "security-log"
LOCKED = {
    "id": "0",
    "event": "portal_login.locked",
    "event_label": "Portal Login Locked",
    "user": "cmalek",
    "description": "cmalek was locked after 10 wrong passwords.",
    "address": "203.0.113.7",
    "occurred_at": "2022-06-16T13:46:43Z",
}
REFUSED = {
    **LOCKED,
    "id": "1",
    "event": "staff_session.refused",
    "event_label": "Staff Sign-in Refused",
    "user": "Unknown",
    "description": "A sign-in as an unknown username was refused: nobody has this username.",
    "address": None,
}
TYPED = {
    "event": "portal_login.locked",
    "person": "cmalek",
    "start_date": "2022-06-14",
    "end_date": "2022-06-16",
}

Http = TestClient[web.Request, web.Application]


@pytest.fixture
def answers(log: tuple[Log, TestServer]) -> Log:
    log[0].items = [LOCKED, REFUSED]
    return log[0]


@pytest.fixture
async def admin(http: Http, town: Town) -> Browser:
    """An agency admin's."""
    await town.world.staff(town.agency, "ada", display_name="Ada Admin", role="agency_admin")
    browser = Browser(http)
    await browser.sign_in("ada")
    return browser


async def test_agency_admins_find_it_in_a_menu_of_their_own(admin: Browser, answers: Log) -> None:
    menu = await admin.get("")
    assert 'href="/riverside/administration">Administration Menu</a>' in menu.text
    administration = await admin.get("administration")
    assert f'href="/riverside/{PATH}">Security Log</a>' in administration.text
    page = await admin.get(PATH)
    assert page.status == 200
    assert "Main Menu Administration Menu Security Log" in page.words
    for label in ("Event", "Person", "Start Date", "End Date"):
        assert f">{label}</label>" in page.text
    assert '<legend class="legend">Date Range</legend>' in page.text


async def test_it_is_closed_to_every_other_role(http: Http, town: Town, answers: Log) -> None:
    await town.world.staff(town.agency, "sue", role="supervisor")
    for username in ("nextstep", "sue"):
        browser = Browser(http)
        await browser.sign_in(username)
        assert "Administration Menu" not in (await browser.get("")).words
        for path in ("administration", PATH):
            page = await browser.get(path)
            assert page.status == 403, (username, path)
        token = (await browser.get("sessions")).form()["csrf_token"]
        assert (await browser.post(PATH, {"csrf_token": token})).status == 403
    assert answers.asked == []


async def test_entries_say_when_who_what_and_from_where(admin: Browser, answers: Log) -> None:
    page = await admin.get(PATH)
    assert (
        "Time User Event Description Address"
        " 6/16/2022 9:46:43 AM cmalek Portal Login Locked cmalek was locked after 10 wrong passwords. 203.0.113.7"
        " 6/16/2022 9:46:43 AM Unknown Staff Sign-in Refused"
        " A sign-in as an unknown username was refused: nobody has this username. None"
    ) in page.words
    assert answers.query == {"limit": "25"}


async def test_an_empty_log_says_so(admin: Browser, answers: Log) -> None:
    answers.items = []
    assert "No data" in (await admin.get(PATH)).words


async def test_filters_go_to_the_audit_service_and_into_no_address(admin: Browser, answers: Log) -> None:
    shown = await admin.get(PATH)
    page = await admin.post(PATH, {**shown.form("Apply Filter"), **TYPED})
    assert page.status == 200
    assert answers.query == {**TYPED, "limit": "25"}
    form = page.form("Apply Filter")
    form.pop("csrf_token")
    assert form == TYPED
    assert "?" not in "".join(part.split('"')[0] for part in page.text.split('href="')[1:])
    assert '<option value="nextstep">NextStep Solutions</option>' in page.text
    assert "Event: Portal Login Locked · Person: cmalek · Start Date: 06/14/2022 · End Date: 06/16/2022" in page.words


async def test_filters_in_the_address_are_not_read(admin: Browser, answers: Log) -> None:
    await admin.get(f"{PATH}?person=cmalek")
    assert answers.query == {"limit": "25"}


async def test_a_form_of_another_session_is_refused(admin: Browser, answers: Log) -> None:
    answers.asked.clear()
    page = await admin.post(PATH, {**TYPED, "csrf_token": "another"})
    assert page.status == 403
    assert answers.asked == []


async def test_older_entries_follow_with_the_same_filters(admin: Browser, answers: Log) -> None:
    answers.next_cursor = "opaque&cursor"
    shown = await admin.get(PATH)
    page = await admin.post(PATH, {**shown.form("Apply Filter"), **TYPED})
    assert 'name="cursor" value="opaque&amp;cursor">Older entries</button>' in page.text
    assert ">Newest</button>" not in page.text
    answers.next_cursor = None
    older = await admin.post(PATH, {**page.form("Older entries"), "cursor": "opaque&cursor"})
    assert answers.query == {**TYPED, "cursor": "opaque&cursor", "limit": "25"}
    assert ">Newest</button>" in older.text
    assert "Older entries" not in older.text
    newest = older.form("Newest")
    newest.pop("csrf_token")
    assert newest == TYPED
    assert "cursor" not in older.form("Apply Filter")


async def test_a_cursor_that_the_audit_service_refuses_leads_to_the_newest(admin: Browser, answers: Log) -> None:
    shown = await admin.get(PATH)
    answers.stale = "old"
    page = await admin.post(PATH, {**shown.form("Apply Filter"), **TYPED, "cursor": "old"})
    assert page.status == 200
    assert answers.query == {**TYPED, "limit": "25"}
    assert ">Newest</button>" not in page.text


async def test_a_username_that_is_nobodys_is_told_beside_the_field(admin: Browser, answers: Log) -> None:
    shown = await admin.get(PATH)
    answers.status, answers.errors = 422, [{"field": "person", "message": "Nobody."}]
    page = await admin.post(PATH, {**shown.form("Apply Filter"), "person": "nobody"})
    assert (page.status, page.errors) == (422, ["Nobody at your agency has this username."])
    assert page.form("Apply Filter")["person"] == "nobody"
    assert "can’t be shown" not in page.words


async def test_what_makes_no_sense_is_told_beside_the_field(admin: Browser, answers: Log) -> None:
    shown = (await admin.get(PATH)).form("Apply Filter")
    for typed, count in (
        ({"start_date": "2022-02-30"}, 1),
        ({"start_date": "2022-06-16", "end_date": "2022-06-14"}, 1),
        ({"start_date": "x", "end_date": "y"}, 2),
        ({"person": "x" * 201}, 1),
    ):
        answers.asked.clear()
        page = await admin.post(PATH, {**shown, **typed})
        assert (page.status, len(page.errors)) == (422, count), typed
        assert page.summary
        assert [request.path for request in answers.asked] == ["/api/v1/security-log/filters"], typed


async def test_the_question_is_asked_as_the_admin_with_their_address(admin: Browser, town: Town, answers: Log) -> None:
    await admin.get(PATH)
    [ada] = await town.rows("select id from accounts.staff_users where username = 'ada'")
    assert {request.path for request in answers.asked} == {"/api/v1/security-log", "/api/v1/security-log/filters"}
    for request in answers.asked:
        _, _, token = request.headers["Authorization"].partition(" ")
        claims = jwt.decode(token, options={"verify_signature": False})
        assert claims["sub"] == str(ada["id"])
        assert claims["adr"] == "127.0.0.1"
        assert claims["exp"] - claims["iat"] == 60


async def test_without_the_audit_service_the_page_says_so_and_keeps_what_was_typed(
    admin: Browser, answers: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = (await admin.get(PATH)).form("Apply Filter")
    monkeypatch.setattr(audit_client, "TIMEOUT", ClientTimeout(total=0.2))
    for status, delay in ((500, 0.0), (401, 0.0), (503, 0.0), (404, 0.0), (200, 1.0)):
        answers.status, answers.delay = status, delay
        page = await admin.post(PATH, {**shown, **TYPED})
        assert page.status == 503
        assert int(page.headers["Retry-After"]) > 0
        assert "The Security Log can’t be shown right now." in page.words
        again = page.form("Try again")
        again.pop("csrf_token")
        assert again == TYPED
    assert (await admin.get("face-sheet")).status == 200
