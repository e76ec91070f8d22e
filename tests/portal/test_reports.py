"""An e-mail tells of each change of a password, and its reader can say: that was not me."""

from __future__ import annotations

from typing import Any

import pytest

from services.admin.use_cases import portal_logins as staff_logins
from shared.accounts.portal_logins import PortalLogin
from tests.portal.conftest import NEW_PASSWORD, OWN_PASSWORD, Portal, Town, credentials_of, sign_in_page, tokens_of
from tests.support.clock import FakeClock


async def change(portal: Portal, new: str = NEW_PASSWORD, current: str = OWN_PASSWORD) -> dict[str, Any]:
    token = (await tokens_of(portal, password=current))["access_token"]
    answer = await portal.api("password", {"current_password": current, "new_password": new}, token=token)
    assert answer.status == 200, await answer.text()
    found: dict[str, Any] = await answer.json()
    return found


async def told(portal: Portal, town: Town) -> tuple[PortalLogin, str]:
    """A login whose password was just changed, and the code in the e-mail about it."""
    login = await town.own()
    await change(portal)
    return login, await town.mailed(login, "password_changed")


async def report(portal: Portal, code: str) -> int:
    return (await portal.api("password/report", {"token": code})).status


async def test_the_first_password_and_each_later_one_is_told(portal: Portal, town: Town) -> None:
    login, temporary = await town.login()
    required = await (await portal.api("token", credentials_of(password=temporary))).json()
    chosen = {"password_change_token": required["password_change_token"], "new_password": OWN_PASSWORD}
    assert (await portal.api("password", chosen)).status == 200
    await change(portal)
    asked = {"agency": "riverside", "username": "cmalek", "email": "cmalek@example.com"}
    await portal.api("password/forgot", asked)
    code = await town.mailed(login, "password_reset")
    await portal.api("password/reset", {"token": code, "new_password": OWN_PASSWORD})
    rows = await town.rows("select recipient, state from mail.deliveries where mail = 'password_changed'")
    assert rows == [{"recipient": "cmalek@example.com", "state": "queued"}] * 3, "no later mail takes one's place"


async def test_whoever_says_so_locks_the_login_everywhere(portal: Portal, town: Town) -> None:
    login, code = await told(portal, town)
    thief = await tokens_of(portal, password=NEW_PASSWORD)
    assert await report(portal, code) == 204
    assert (await portal.get_api("me", token=thief["access_token"])).status == 401
    assert (await portal.api("token/refresh", {"refresh_token": thief["refresh_token"]})).status == 401
    for password in (NEW_PASSWORD, OWN_PASSWORD):
        assert (await portal.api("token", credentials_of(password=password))).status == 401
    types = [type_ for type_, _ in await town.events()]
    assert ("portal_login.reported", {"username": "cmalek"}) in await town.events()
    assert types[-1] == "portal_session.refused"
    assert (await town.events())[-1][1]["reason"] == "locked"
    found = await staff_logins.read(town.work, actor=town.staff, login_id=login.id)
    assert found.reported_at is not None


async def test_the_code_outlives_what_a_thief_does_next(portal: Portal, town: Town) -> None:
    _, code = await told(portal, town)
    await change(portal, "three green boats at the quay", NEW_PASSWORD)
    assert await report(portal, code) == 204
    assert (await portal.api("token", credentials_of(password="three green boats at the quay"))).status == 401


async def test_nothing_but_staff_lets_anybody_in_again(portal: Portal, town: Town, clock: FakeClock) -> None:
    login, code = await told(portal, town)
    asked = {"agency": "riverside", "username": "cmalek", "email": "cmalek@example.com"}
    await portal.api("password/forgot", asked)
    reset = await town.mailed(login, "password_reset")
    assert await report(portal, code) == 204
    assert (await portal.api("password/reset", {"token": reset, "new_password": OWN_PASSWORD})).status == 401
    clock.advance(seconds=3600)
    before = len(await town.rows("select id from mail.deliveries"))
    await portal.api("password/forgot", asked)
    assert len(await town.rows("select id from mail.deliveries")) == before
    after = await town.change(login, reset_password=True)
    assert after.reported_at is None
    temporary = await town.mailed(login)
    required = await portal.api("token", credentials_of(password=temporary))
    assert (await required.json())["password_change_required"] is True


async def test_a_code_works_once_and_for_a_week(portal: Portal, town: Town, clock: FakeClock) -> None:
    login, code = await told(portal, town)
    assert await report(portal, code) == 204
    assert await report(portal, code) == 401
    await town.change(login, reset_password=True)
    assert await report(portal, code) == 401
    await town.own("jdoe", email="jdoe@example.com")
    token = (await tokens_of(portal, username="jdoe"))["access_token"]
    await portal.api("password", {"current_password": OWN_PASSWORD, "new_password": NEW_PASSWORD}, token=token)
    rows = await town.rows("select sealed_secret from mail.deliveries where mail = 'password_changed' order by id desc")
    later = town.opener.open(rows[0]["sealed_secret"])
    clock.advance(days=7)
    assert await report(portal, later) == 401


async def test_codes_are_good_for_what_they_were_made_for(portal: Portal, town: Town) -> None:
    login, code = await told(portal, town)
    for path, body in (
        ("password/reset", {"token": code, "new_password": OWN_PASSWORD}),
        ("password", {"password_change_token": code, "new_password": OWN_PASSWORD}),
    ):
        assert (await portal.api(path, body)).status == 401, path
    await portal.api("password/forgot", {"agency": "riverside", "username": "cmalek", "email": "cmalek@example.com"})
    reset = await town.mailed(login, "password_reset")
    assert await report(portal, reset) == 401
    for invented in ("nonsense", "a.b", "0" * 32 + "." + "x" * 43):
        assert await report(portal, invented) == 401
    assert await report(portal, code) == 204, "nothing of that used it up"


async def test_the_page_locks_by_a_button_and_not_by_being_opened(portal: Portal, town: Town) -> None:
    _, code = await told(portal, town)
    page = await portal.get("/riverside/not-me")
    assert page.status == 200
    assert "Did somebody else change your login?" in await page.text()
    wrong = await portal.post("/riverside/not-me", {"code": "nonsense"})
    assert wrong.status == 422
    assert "Please call your agency." in await wrong.text()
    assert (await portal.post("/riverside/not-me", {"code": ""})).status == 422
    await tokens_of(portal, password=NEW_PASSWORD)
    done = await portal.post("/riverside/not-me", {"code": f"http://portal.example/riverside/not-me#token={code}"})
    assert (done.status, done.headers["Location"]) == (303, "/riverside/not-me?done=1")
    assert "Call your agency" in await (await portal.get("/riverside/not-me?done=1")).text()
    assert (await sign_in_page(portal, password=NEW_PASSWORD)).status == 401


@pytest.mark.parametrize("made_inactive", [True, False])
async def test_the_notice_goes_out_whatever_happens_to_the_login(
    portal: Portal, town: Town, made_inactive: bool
) -> None:
    login, _ = await told(portal, town)
    await town.change(login, **({"active": False} if made_inactive else {"reset_password": True}))
    [row] = await town.rows("select state from mail.deliveries where mail = 'password_changed'")
    assert row["state"] == "queued"
