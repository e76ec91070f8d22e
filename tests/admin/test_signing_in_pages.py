"""Staff sign in and out in a browser; pages are for those who are signed in at the agency of the address."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient

from services.admin.settings import AdminSettings
from tests.admin.conftest import Browser, Start, Town
from tests.support.clock import FakeClock
from tests.support.people import STAFF_PASSWORD

COOKIE = "portico_staff_riverside"
BROWSER_COOKIE = "portico_staff_browser_riverside"


async def test_a_sign_in_leads_to_the_main_menu(http: TestClient[web.Request, web.Application], town: Town) -> None:
    browser = Browser(http)
    asked = await browser.get("")
    assert (asked.status, asked.headers["Location"]) == (303, "/riverside/sign-in?next=/riverside/")
    page = await browser.get(asked.headers["Location"])
    assert page.status == 200
    assert "session has ended" not in page.words
    typed = {**page.form(), "username": "nextstep", "password": STAFF_PASSWORD}
    done = await browser.post("sign-in", typed)
    assert (done.status, done.headers["Location"]) == (303, "/riverside/")
    assert "HttpOnly" in done.headers["Set-Cookie"]
    assert "SameSite=Lax" in done.headers["Set-Cookie"]
    main = await browser.get("")
    assert main.status == 200
    assert "Main Menu" in main.words
    assert "NextStep Solutions" in main.words


async def test_over_https_the_cookie_belongs_to_this_host_alone(
    settings: AdminSettings, start: Start, town: Town
) -> None:
    http = await start(settings.model_copy(update={"public_url": "https://admin.example"}))
    page = await Browser(http).post("sign-in", {"username": "nextstep", "password": STAFF_PASSWORD})
    assert page.headers["Set-Cookie"].startswith(f"__Host-{COOKIE}=")
    assert "Secure" in page.headers["Set-Cookie"]


async def test_a_refused_sign_in_keeps_the_username_and_never_the_password(
    http: TestClient[web.Request, web.Application], town: Town
) -> None:
    browser = Browser(http)
    for username, password in (("nextstep", "not-this-one"), ("nobody", STAFF_PASSWORD)):
        page = await browser.post("sign-in", {"username": username, "password": password})
        assert page.status == 401
        assert "The username or password is not right." in page.words
        assert page.form('name="password"')["username"] == username
        assert password not in page.text
        assert browser.cookies() == {}


async def test_wrong_input_is_told_beside_the_fields(
    http: TestClient[web.Request, web.Application], town: Town
) -> None:
    browser = Browser(http)
    page = await browser.post("sign-in", {"username": "", "password": ""})
    assert (page.status, page.errors) == (422, ["Enter a value.", "Enter a value."])
    for username in ("x" * 65, "nul\x00", "=?utf-8?q?x=0ABcc=3Aevil@example.com?=", "a\u202eb"):
        page = await browser.post("sign-in", {"username": username, "password": "x"})
        assert (page.status, len(page.errors)) == (422, 1), username


async def test_after_signing_in_one_comes_back_to_ones_own_pages_only(
    http: TestClient[web.Request, web.Application], town: Town
) -> None:
    browser = Browser(http)
    filters = "no-case/face-sheet-changes?change_type=A%26B&end_date=x"
    asked = await browser.get(f"document-center/{town.client.id}/{filters}")
    assert (await browser.get(asked.headers["Location"])).form()["next"].endswith(filters)
    asked = await browser.get(f"clients/{town.client.id}/edit")
    page = await browser.get(asked.headers["Location"])
    form = {**page.form(), "username": "nextstep", "password": STAFF_PASSWORD}
    done = await browser.post("sign-in", form)
    assert done.headers["Location"] == f"/riverside/clients/{town.client.id}/edit"
    for elsewhere in (
        "https://evil.example/",
        "//evil.example",
        "/lakeside/",
        "/riverside/\\evil",
        "javascript:alert(1)",
    ):
        done = await browser.post("sign-in", {**form, "next": elsewhere})
        assert done.headers["Location"] == "/riverside/", elsewhere
        assert (await browser.get(f"sign-in?next={elsewhere}")).headers["Location"] == "/riverside/"


async def test_a_session_that_ended_is_said_so(browser: Browser, town: Town, clock: FakeClock) -> None:
    clock.advance(minutes=16)
    asked = await browser.get(f"clients/{town.client.id}")
    assert asked.status == 303
    assert asked.headers["Location"].endswith("&ended=1")
    assert COOKIE not in browser.cookies()
    page = await browser.get(asked.headers["Location"])
    assert "Your session has ended. Sign in again to go on." in page.words
    assert page.form()["next"] == f"/riverside/clients/{town.client.id}"
    assert ("staff_session.ended", {"username": "nextstep", "reason": "idle"}) in await town.events()


async def test_a_form_of_a_session_that_ended_leads_back_to_its_page(
    browser: Browser, town: Town, clock: FakeClock
) -> None:
    page = await browser.edit(town.client)
    clock.advance(hours=13)
    asked = await browser.press(town.client, page, "do=update", first_name="Cathy")
    assert asked.status == 303
    assert asked.headers["Location"].startswith("/riverside/sign-in?next=/riverside/clients/")
    (row,) = await town.rows("select first_name from accounts.clients")
    assert row["first_name"] == "Catherine"


async def test_signing_out_ends_the_session(browser: Browser, town: Town) -> None:
    cookie = browser.cookies()[COOKIE]
    main = await browser.get("")
    done = await browser.post("sign-out", main.form("sign-out"))
    assert done.status == 303
    assert "You have signed out." in (await browser.get(done.headers["Location"])).words
    assert set(browser.cookies()) == {BROWSER_COOKIE}
    browser.http.session.cookie_jar.update_cookies({COOKIE: cookie}, browser.http.make_url("/"))
    assert (await browser.get("")).status == 303
    assert (await town.events())[-1] == ("staff_session.ended", {"username": "nextstep", "reason": "signed_out"})


async def test_signing_out_needs_the_sessions_own_form(browser: Browser) -> None:
    assert (await browser.post("sign-out", {"csrf_token": "x"})).status == 403
    assert (await browser.get("")).status == 200


async def test_a_cookie_of_another_agency_opens_nothing(browser: Browser, town: Town) -> None:
    await town.world.agency("lakeside")
    theirs = {"portico_staff_lakeside": browser.cookies()[COOKIE]}
    browser.http.session.cookie_jar.update_cookies(theirs, browser.http.make_url("/"))
    for path in ("/lakeside/", f"/lakeside/clients/{town.client.id}", f"/lakeside/document-center/{town.client.id}"):
        assert (await browser.get(path)).status == 303, path


async def test_cookies_that_are_none_are_as_good_as_no_cookie(
    http: TestClient[web.Request, web.Application], town: Town
) -> None:
    browser = Browser(http)
    for value in ("x", "a.b.c", "0" * 32 + "." + "0" * 32 + ".secret", "x" * 300):
        browser.http.session.cookie_jar.update_cookies({COOKIE: value}, browser.http.make_url("/"))
        assert (await browser.get("")).status == 303, value


async def test_requests_from_other_sites_are_refused(browser: Browser, town: Town) -> None:
    page = await browser.edit(town.client)
    headers: Any
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
        form = {**page.form(), "do": "update", "first_name": "Evil"}
        answer = await browser.post(f"clients/{town.client.id}/edit", form, headers=headers)
        assert answer.status == 403
    (row,) = await town.rows("select first_name from accounts.clients")
    assert row["first_name"] == "Catherine"


async def test_there_is_no_page_for_an_unknown_agency(
    http: TestClient[web.Request, web.Application], town: Town
) -> None:
    browser = Browser(http)
    for path in ("/nowhere/", "/nowhere/sign-in", "/nowhere/face-sheet", "/Riverside/", "/%00/", "/river%0Aside/"):
        page = await browser.get(path)
        assert page.status == 404, path
        assert "Page not found" in page.words


async def test_a_missing_slash_is_put_in(browser: Browser) -> None:
    assert (await browser.get("/riverside")).headers["Location"] == "/riverside/"


async def test_staying_signed_in(browser: Browser, clock: FakeClock) -> None:
    for _ in range(3):
        clock.advance(minutes=14)
        assert (await browser.get("session")).status == 204
    clock.advance(minutes=16)
    assert (await browser.get("session")).status == 303


async def test_private_pages_are_kept_by_nobody(browser: Browser, town: Town) -> None:
    page = await browser.get(f"clients/{town.client.id}")
    assert page.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "<style" not in page.text
    assert " style=" not in page.text
    assert "onclick" not in page.text
