"""Second factors of staff, lost ones of portal logins, and whom an agency asks for one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from services.admin.keys import FACTORS, WORK
from shared.accounts import second_factors
from shared.accounts.second_factors import WRONG_CODES
from shared.accounts.sign_in_budgets import FAILURES
from shared.security.boxes import Boxes, new_box_key
from shared.security.totp import RECOVERY_CODES, digest_of
from tests.admin.conftest import Answer, Api, Browser, Page, Town
from tests.support.clock import FakeClock
from tests.support.factors import App, codes_in, seed_in
from tests.support.people import STAFF_PASSWORD

Http = TestClient[web.Request, web.Application]

PASSWORD = {"current_password": STAFF_PASSWORD}
REASON = {"reason": "Lost the phone, seen in person"}


async def set_up(api: Api, clock: FakeClock) -> tuple[App, list[str]]:
    """An app for whoever is signed in; the session goes on."""
    begun = await api.post("second-factor/totp", PASSWORD)
    assert begun.status == 200, begun.text
    app = App(begun.json["secret"], clock)
    done = await api.post("second-factor/totp/confirm", {"code": app.code()})
    assert done.status == 200, done.text
    api.token = done.json["access_token"]
    clock.advance(seconds=1)
    return app, done.json["recovery_codes"]


async def half_done(http: Http, username: str = "nextstep") -> dict[str, Any]:
    body = {"agency": "riverside", "username": username, "password": STAFF_PASSWORD}
    answer = await Api(http).post("token", body)
    assert answer.json["second_factor_required"] is True, answer.text
    found: dict[str, Any] = answer.json
    return found


async def show(http: Http, half: dict[str, Any], code: str) -> Answer:
    body = {"second_factor_token": half["second_factor_token"], "code": code}
    return await Api(http).post("token/second-factor", body)


def name_of(answer: Answer) -> str:
    found: str = answer.json["type"].removeprefix("/problems/")
    return found


async def as_admin(http: Http, town: Town) -> Api:
    await town.world.staff(town.agency, "boss", display_name="The Boss", role="agency_admin")
    api = Api(http)
    await api.sign_in("boss")
    return api


async def a_factor_of(town: Town, login: dict[str, Any]) -> None:
    """An app of a portal login, as the portal stores it."""
    await town.execute(
        "insert into accounts.totp_authenticators (agency_id, kind, person_id, sealed_seed, confirmed_at)"
        " values ($1, 'portal', $2::uuid, 'x', now())",
        town.agency.id,
        login["id"],
    )


# Staff's own


async def test_staff_show_a_code_after_the_password(api: Api, http: Http, town: Town, clock: FakeClock) -> None:
    app, codes = await set_up(api, clock)
    half = await half_done(http)
    assert half["methods"] == ["totp", "recovery_code"]
    answer = await show(http, half, app.next_code())
    assert answer.status == 200, answer.text
    mine = Api(http, answer.json["access_token"])
    assert (await mine.get("second-factor")).json["recovery_codes_left"] == RECOVERY_CODES
    assert (await show(http, await half_done(http), codes[0])).status == 200
    assert (await mine.get("second-factor")).json["recovery_codes_left"] == RECOVERY_CODES - 1
    events = [payload for type_, payload in await town.events() if type_ == "staff.second_factor_changed"]
    assert [e["what"] for e in events] == ["app_set_up", "recovery_code_used"]
    assert (await town.events())[-1] == ("staff_session.started", {"username": "nextstep", "how": "password"})


async def test_wrong_codes_of_staff_are_refused_counted_and_lock(
    api: Api, http: Http, town: Town, clock: FakeClock
) -> None:
    app, _ = await set_up(api, clock)
    half = await half_done(http)
    names = [name_of(await show(http, half, app.wrong_code())) for _ in range(WRONG_CODES)]
    assert names == ["wrong-code"] * (WRONG_CODES - 1) + ["second-factor-expired"]
    half = await half_done(http)
    for _ in range(FAILURES - WRONG_CODES):
        assert (await show(http, half, app.wrong_code())).status == 401
    events = await town.events()
    assert events[-1][0] == "staff.locked"
    assert ("staff_session.refused", {"username": "nextstep", "reason": "wrong_code", "how": "password"}) in events
    body = {"agency": "riverside", "username": "nextstep", "password": STAFF_PASSWORD}
    assert name_of(await Api(http).post("token", body)) == "bad-credentials"


async def test_the_last_factor_can_be_removed_with_the_password(
    api: Api, http: Http, town: Town, clock: FakeClock
) -> None:
    await set_up(api, clock)
    assert (await api.post("second-factor/totp/remove", {"current_password": "wrong"})).fields == {
        "current_password": "This is not your current password."
    }
    removed = await api.post("second-factor/totp/remove", PASSWORD)
    assert removed.status == 200, removed.text
    await Api(http).sign_in()


async def test_the_token_of_a_half_done_sign_in_is_no_access_token(api: Api, http: Http, clock: FakeClock) -> None:
    await set_up(api, clock)
    thief = Api(http, (await half_done(http))["second_factor_token"])
    assert (await thief.get("second-factor")).status == 401
    assert (await thief.post("clients/search", {"query": "malek"})).status == 401


async def test_a_seed_is_sealed_anew_with_the_newest_key(api: Api, http: Http, town: Town, clock: FakeClock) -> None:
    app, _ = await set_up(api, clock)
    factors = api.app[FACTORS]
    [before] = await town.rows("select sealed_seed, person_id from accounts.totp_authenticators")
    old = factors.boxes.open(before["sealed_seed"], owner=before["person_id"].bytes)
    older, newer = new_box_key(), new_box_key()
    sealed = Boxes(older).seal(old, owner=before["person_id"].bytes)
    await town.execute("update accounts.totp_authenticators set sealed_seed = $1", sealed)
    rotated = Boxes(f"{newer} {older}")
    object.__setattr__(factors, "boxes", rotated)
    assert (await show(http, await half_done(http), app.next_code())).status == 200
    [after] = await town.rows("select sealed_seed from accounts.totp_authenticators")
    assert not rotated.outdated(after["sealed_seed"])
    assert rotated.open(after["sealed_seed"], owner=before["person_id"].bytes) == old


async def test_a_seed_moved_to_another_row_opens_nothing(api: Api, http: Http, town: Town, clock: FakeClock) -> None:
    app, _ = await set_up(api, clock)
    person = await town.world.staff(town.agency, "other")
    await town.execute("update accounts.totp_authenticators set person_id = $1", person.user.id)
    answer = await show(http, await half_done(http, "other"), app.next_code())
    assert answer.status == 500, "somebody has changed the database by hand"


async def test_the_pages_of_staff_set_up_an_app_and_ask_for_its_code(
    browser: Browser, town: Town, clock: FakeClock
) -> None:
    before = browser.cookies()["portico_staff_riverside"]
    page = await browser.get("sign-in-security/app")
    page = await browser.post("sign-in-security/app", {**page.form(), **PASSWORD})
    app = App(seed_in(page.text), clock)
    page = await browser.post("sign-in-security/app/confirm", {**page.form(), "code": app.code()})
    assert page.status == 200, page.words
    assert len(codes_in(page.text)) == RECOVERY_CODES
    assert browser.cookies()["portico_staff_riverside"] != before
    assert "Sign-in Security" in (await browser.get("sign-in-security")).words
    browser.http.session.cookie_jar.clear()
    sent = await browser.post(
        "sign-in", {"username": "nextstep", "password": STAFF_PASSWORD, "next": "/riverside/reports"}
    )
    assert (sent.status, sent.headers["Location"]) == (303, "/riverside/second-factor?next=/riverside/reports")
    page = await browser.get(sent.headers["Location"])
    wrong = await browser.post("second-factor", {**page.form(), "code": app.wrong_code()})
    assert (wrong.status, wrong.errors) == (
        401,
        ["This code is not right. Wait for the next one in your app, or use a recovery code."],
    )
    typed = {**page.form(), "code": app.next_code(), "remember": "on"}
    done = await browser.post("second-factor", typed)
    assert (done.status, done.headers["Location"]) == (303, "/riverside/reports")
    assert (await browser.post("sign-in", {"username": "nextstep", "password": STAFF_PASSWORD})).headers[
        "Location"
    ] == "/riverside/"
    overview = await browser.get("sign-in-security")
    assert "This device" in overview.words
    gone = await browser.post("sign-in-security/forget", overview.form("Forget"))
    assert gone.status == 303
    sent = await browser.post("sign-in", {"username": "nextstep", "password": STAFF_PASSWORD})
    assert "second-factor" in sent.headers["Location"]


# Lost ones


async def test_staff_remove_a_lost_factor_with_a_reason(api: Api, town: Town) -> None:
    login = await api.login(town.client)
    path = f"portal-logins/{login['id']}/second-factor/reset"
    assert name_of(await api.post(path, REASON)) == "nothing-to-reset"
    await a_factor_of(town, login)
    for reason in ("", "no", "x" * 201):
        assert set((await api.post(path, {"reason": reason})).fields) == {"reason"}
    assert (await api.post(path, REASON)).status == 204
    assert ("portal_login.second_factor_reset", {"username": "cmalek", **REASON}) in await town.events()
    assert await town.rows("select 1 from accounts.totp_authenticators") == []
    mails = await town.rows("select mail, recipient from mail.deliveries where mail = 'second_factor_reset'")
    assert mails == [{"mail": "second_factor_reset", "recipient": "cmalek@example.com"}]


async def test_the_face_sheet_leads_to_it(browser: Browser, api: Api, town: Town) -> None:
    login = await api.login(town.client)
    sheet = f"clients/{town.client.id}"
    assert "second step" not in (await browser.get(sheet)).words
    await a_factor_of(town, login)
    assert "Remove the second step of cmalek" in (await browser.get(sheet)).words
    page = await browser.get(f"{sheet}/second-factor?login={login['id']}")
    refused = await browser.post(f"{sheet}/second-factor", {**page.form("reason"), "reason": "x"})
    assert (refused.status, refused.errors) == (422, ["Use at least 3 characters."])
    done = await browser.post(f"{sheet}/second-factor", {**page.form("reason"), **REASON})
    assert (done.status, done.headers["Location"]) == (303, f"/riverside/{sheet}?done=factor-removed")
    after = await browser.get(done.headers["Location"])
    assert "The second step was removed." in after.words
    assert "Remove the second step of" not in after.words
    assert (await browser.get(f"{sheet}/second-factor?login={town.agency.id}")).status == 404


async def test_admins_remove_a_lost_factor_of_staff(api: Api, http: Http, town: Town, clock: FakeClock) -> None:
    await town.execute("update accounts.staff_users set email = 'nextstep@agency.example' where username = 'nextstep'")
    await set_up(api, clock)
    path = f"staff/{town.staff.user.id}/second-factor/reset"
    assert (await api.post(path, REASON)).status == 403
    boss = await as_admin(http, town)
    assert (await boss.post(path, REASON)).status == 204
    assert (await api.get("second-factor")).status == 401, "all sessions end"
    assert ("staff.second_factor_reset", {"username": "nextstep", **REASON}) in await town.events()
    newest = "select recipient, context ->> 'detail' as detail from mail.deliveries order by id desc limit 1"
    assert await town.rows(newest) == [
        {"recipient": "nextstep@agency.example", "detail": "An admin removed your second step"}
    ]
    await Api(http).sign_in()
    assert name_of(await boss.post(path, REASON)) == "nothing-to-reset"
    assert (await boss.post(f"staff/{town.agency.id}/second-factor/reset", REASON)).status == 404
    await set_up(boss, clock)
    [own] = await town.rows("select id from accounts.staff_users where username = 'boss'")
    refused = await boss.post(f"staff/{own['id']}/second-factor/reset", REASON)
    assert refused.status == 403, "with an open session alone nobody gets rid of it"


# Sign-in rules


async def test_admins_say_who_has_to_have_a_second_factor(api: Api, http: Http, town: Town, clock: FakeClock) -> None:
    assert (await api.get("sign-in-rules")).status == 403
    assert (await api.patch("sign-in-rules", {"second_factor_of_staff": True})).status == 403
    boss = await as_admin(http, town)
    assert (await boss.get("sign-in-rules")).json == {
        "second_factor_of_staff": False,
        "second_factor_of_representatives": False,
    }
    changed = await boss.patch("sign-in-rules", {"second_factor_of_staff": True})
    assert changed.json == {"second_factor_of_staff": True, "second_factor_of_representatives": False}
    assert (await town.events())[-1] == (
        "agency.sign_in_rules_changed",
        {"changes": [{"field": "Second step for staff", "old": "No", "new": "Yes"}]},
    )
    before = len(await town.events())
    assert (await boss.patch("sign-in-rules", {"second_factor_of_staff": True})).status == 200
    assert len(await town.events()) == before, "nothing changed, nothing happened"
    assert set((await boss.patch("sign-in-rules", {"second_factor_of_clients": True})).fields) == {
        "second_factor_of_clients"
    }
    half = await half_done(http)
    assert half["set_up_required"] is True
    token = {"second_factor_token": half["second_factor_token"]}
    nobody = Api(http)
    app = App((await nobody.post("token/second-factor/totp", token)).json["secret"], clock)
    done = await nobody.post("token/second-factor/totp/confirm", {**token, "code": app.code()})
    assert done.status == 200, done.text
    mine = Api(http, done.json["access_token"])
    assert name_of(await mine.post("second-factor/totp/remove", PASSWORD)) == "second-factor-needed"


async def test_the_administration_menu_is_for_admins(browser: Browser, http: Http, town: Town) -> None:
    assert "Administration Menu" not in (await browser.get("")).words
    for path in ("administration", "sign-in-rules"):
        assert (await browser.get(path)).status == 403
    await town.execute("update accounts.staff_users set role = 'agency_admin'")
    assert "Administration Menu" in (await browser.get("")).words
    assert "Sign-in Rules" in (await browser.get("administration")).words
    page = await browser.get("sign-in-rules")
    form = {**page.form("second_factor_of_staff"), "second_factor_of_representatives": "on"}
    saved: Page = await browser.post("sign-in-rules", form)
    assert (saved.status, saved.headers["Location"]) == (303, "/riverside/sign-in-rules?saved=1")
    page = await browser.get("sign-in-rules?saved=1")
    assert "The rules were saved." in page.words
    assert "second_factor_of_representatives" in page.form("second_factor_of_staff")
    assert "second_factor_of_staff" not in page.form("second_factor_of_staff")


# What is stored


async def test_recovery_codes_are_each_good_once_even_at_once(api: Api, town: Town) -> None:
    work, now = api.app[WORK], datetime(2026, 3, 2, tzinfo=UTC)
    person = town.staff.user.id
    async with work.pool.transaction(town.agency.id) as conn:
        await second_factors.replace_codes(conn, town.agency.id, "staff", person, ["AAAAA-BBBBB-CCCCC-DDDDD"], now)
    async with work.pool.transaction(town.agency.id) as conn:
        assert not await second_factors.use_code(conn, "portal", person, "AAAAABBBBBCCCCCDDDDD", now)
        assert await second_factors.use_code(conn, "staff", person, "AAAAABBBBBCCCCCDDDDD", now)
        assert not await second_factors.use_code(conn, "staff", person, "AAAAABBBBBCCCCCDDDDD", now)
    [row] = await town.rows("select digest from accounts.recovery_codes")
    assert row["digest"] == digest_of("AAAAA-BBBBB-CCCCC-DDDDD")


@pytest.mark.parametrize("path", ["second-factor", "second-factor/set-up", "second-factor/confirm"])
async def test_without_a_half_done_sign_in_the_pages_lead_to_the_sign_in(http: Http, town: Town, path: str) -> None:
    browser = Browser(http)
    answer = await browser.post(path, {"code": "123456"})
    assert (answer.status, answer.headers["Location"]) == (303, "/riverside/sign-in?code_too_late=1")
    assert "too many codes were wrong" in (await browser.get("sign-in?code_too_late=1")).words
