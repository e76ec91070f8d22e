"""Staff see that a portal login is locked, and lift it; staff users themselves are locked alike."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from aiohttp import web
from aiohttp.test_utils import TestClient

from shared.accounts.sign_in_budgets import FAILURES, FIRST_LOCK
from tests.admin.conftest import Api, Browser, Town
from tests.support.clock import FakeClock
from tests.support.people import STAFF_PASSWORD

Http = TestClient[web.Request, web.Application]


async def lock(town: Town, login: dict[str, Any], clock: FakeClock) -> None:
    await town.execute(
        "insert into accounts.sign_in_budgets (agency_id, kind, person_id, locks, locked_until)"
        " values ($1, 'portal', $2, 1, $3)",
        town.agency.id,
        UUID(login["id"]),
        clock() + FIRST_LOCK,
    )


async def test_the_api_says_until_when_a_login_is_locked_and_unlocks_it(api: Api, town: Town, clock: FakeClock) -> None:
    login = await api.login(town.client)
    assert login["locked_until"] is None
    await lock(town, login, clock)
    path = f"portal-logins/{login['id']}"
    assert (await api.get(path)).json["locked_until"] == "2026-03-02T15:15:00Z"
    sheet = (await api.get(f"clients/{town.client.id}")).json
    assert sheet["portal_logins"][0]["locked_until"] == "2026-03-02T15:15:00Z"
    for body in ({}, None):
        answer = await api.post(f"{path}/unlock", body)
        assert (answer.status, answer.json["locked_until"]) == (200, None)
    assert [payload for type_, payload in await town.events() if type_ == "portal_login.unlocked"] == [
        {"username": "cmalek"}
    ]


async def test_a_lock_that_is_over_is_none(api: Api, town: Town, clock: FakeClock) -> None:
    login = await api.login(town.client)
    await lock(town, login, clock)
    clock.advance(seconds=FIRST_LOCK.total_seconds())
    await api.sign_in()
    assert (await api.get(f"portal-logins/{login['id']}")).json["locked_until"] is None


async def test_another_agencys_login_is_not_there_to_unlock(api: Api, town: Town, clock: FakeClock) -> None:
    login = await api.login(town.client)
    await lock(town, login, clock)
    other = await town.world.agency("lakeside", name="Lakeside")
    await town.world.staff(other, "theirs")
    await api.sign_in("theirs", "lakeside")
    assert (await api.post(f"portal-logins/{login['id']}/unlock")).status == 404
    [row] = await town.rows("select locked_until from accounts.sign_in_budgets where kind = 'portal'")
    assert row["locked_until"] is not None


async def test_the_face_sheet_shows_a_lock_and_lifts_it(http: Http, api: Api, town: Town, clock: FakeClock) -> None:
    await lock(town, await api.login(town.client), clock)
    browser = Browser(http)
    await browser.sign_in()
    page = await browser.get(f"clients/{town.client.id}")
    assert "cmalek is locked until 3/2/2026 10:15 AM, after 10 failed logins." in page.words
    form = page.form(f"clients/{town.client.id}/unlock")
    forged = await browser.post(f"clients/{town.client.id}/unlock", {**form, "csrf_token": "x"})
    assert forged.status == 403
    done = await browser.post(f"clients/{town.client.id}/unlock", form)
    assert (done.status, done.headers["Location"]) == (303, f"/riverside/clients/{town.client.id}?done=unlocked")
    after = await browser.get(done.headers["Location"])
    assert "The portal login is not locked any more." in after.words
    assert "is locked until" not in after.words


async def test_a_form_without_a_login_unlocks_nothing(http: Http, town: Town) -> None:
    browser = Browser(http)
    await browser.sign_in()
    form = (await browser.get(f"clients/{town.client.id}/edit")).form()
    sent = {"csrf_token": form["csrf_token"], "login": "nobody"}
    assert (await browser.post(f"clients/{town.client.id}/unlock", sent)).status == 404


async def test_a_staff_user_is_locked_after_as_many(http: Http, api: Api, town: Town, clock: FakeClock) -> None:
    await town.execute("update accounts.staff_users set email = 'nextstep@agency.example' where username = 'nextstep'")
    browser = Browser(http)
    await browser.sign_in()
    wrong = {"agency": "riverside", "username": "nextstep", "password": "not this one"}
    for _ in range(FAILURES):
        assert (await api.post("token", wrong)).status == 401
    assert (await api.post("token", {**wrong, "password": STAFF_PASSWORD})).status == 401
    types = await town.types()
    assert types.count("staff.locked") == 1
    assert (await town.events())[-1] == (
        "staff_session.refused",
        {"username": "nextstep", "reason": "locked", "how": "password"},
    )
    mails = await town.rows("select mail, recipient from mail.deliveries")
    assert mails == [{"mail": "staff_sign_in_refused", "recipient": "nextstep@agency.example"}]
    # Where they have signed in before, they still do.
    page = await browser.post("sign-in", {"username": "nextstep", "password": STAFF_PASSWORD})
    assert page.status == 303
    clock.advance(seconds=FIRST_LOCK.total_seconds())
    await api.sign_in()


async def test_the_face_sheet_says_that_an_owner_reported_a_change(http: Http, api: Api, town: Town) -> None:
    login = await api.login(town.client)
    await town.execute("update accounts.portal_logins set reported_at = $1", datetime(2026, 3, 2, 15, 0, tzinfo=UTC))
    assert (await api.get(f"portal-logins/{login['id']}")).json["reported_at"] == "2026-03-02T15:00:00Z"
    browser = Browser(http)
    await browser.sign_in()
    words = (await browser.get(f"clients/{town.client.id}")).words
    assert (
        "The owner of cmalek said on 3/2/2026 10:00 AM that a change, or an attempt to sign in, was not theirs."
        in words
    )
    answer = await api.patch(f"portal-logins/{login['id']}", {"reset_password": True})
    assert answer.json["reported_at"] is None
