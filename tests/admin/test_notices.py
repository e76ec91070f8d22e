"""Agency admins choose which notices are mailed, and what a new login is sent; staff see what that means."""

from __future__ import annotations

import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from tests.admin.conftest import Api, Browser, Town

Http = TestClient[web.Request, web.Application]
AS_SHIPPED = {
    "new_device": True,
    "login_inactive": True,
    "new_email": True,
    "new_logins_get": "temporary_password",
}


async def as_admin(api: Api, town: Town) -> Api:
    await town.execute("update accounts.staff_users set role = 'agency_admin'")
    return api


async def test_only_admins_read_and_change_them(api: Api, browser: Browser, town: Town) -> None:
    assert (await api.get("notices")).status == 403
    assert (await api.patch("notices", {"new_device": False})).status == 403
    assert (await browser.get("notices")).status == 403


async def test_each_is_switched_by_itself_and_the_change_is_told(api: Api, town: Town) -> None:
    boss = await as_admin(api, town)
    assert (await boss.get("notices")).json == AS_SHIPPED
    changed = await boss.patch("notices", {"new_device": False, "new_logins_get": "link"})
    assert changed.json == {**AS_SHIPPED, "new_device": False, "new_logins_get": "link"}
    assert (await town.events())[-1] == (
        "agency.notices_changed",
        {
            "changes": [
                {"field": "Sign-in on a new device", "old": "Yes", "new": "No"},
                {
                    "field": "New logins get",
                    "old": "a temporary password by e-mail",
                    "new": "a link to choose a password",
                },
            ]
        },
    )
    before = len(await town.events())
    assert (await boss.patch("notices", {"new_device": False})).status == 200
    assert len(await town.events()) == before, "nothing changed, nothing happened"


@pytest.mark.parametrize("body", [{"password_changed": False}, {"new_logins_get": "nothing"}, {"new_device": None}])
async def test_what_is_always_sent_can_not_be_switched(api: Api, town: Town, body: dict[str, object]) -> None:
    boss = await as_admin(api, town)
    assert set((await boss.patch("notices", body)).fields) == set(body)
    assert (await boss.get("notices")).json == AS_SHIPPED


async def test_the_page_saves_and_says_what_is_always_sent(browser: Browser, town: Town) -> None:
    await town.execute("update accounts.staff_users set role = 'agency_admin'")
    assert "E-mail Notices" in (await browser.get("administration")).words
    page = await browser.get("notices")
    assert "Password changed" in page.words
    form = {**page.form("new_device"), "new_logins_get": "link"}
    del form["login_inactive"]
    saved = await browser.post("notices", form)
    assert (saved.status, saved.headers["Location"]) == (303, "/riverside/notices?saved=1")
    page = await browser.get("notices?saved=1")
    assert "The e-mail notices were saved." in page.words
    assert page.form("new_device")["new_logins_get"] == "link"
    assert "login_inactive" not in page.form("new_device")


async def test_the_api_says_link_and_no_temporary_password(api: Api, town: Town) -> None:
    await town.execute("update accounts.agencies set link_for_new_logins = true")
    made = await api.login(town.client)
    assert made["password_state"] == "link_sent"
    assert made["temporary_password_expires_at"] is None
    assert made["link_expires_at"] == "2026-03-05T15:00:00Z"
    [mail] = (await api.get(f"portal-logins/{made['id']}/deliveries")).json["items"]
    assert mail["mail"] == "invitation_link"
    [(_, secret)] = await town.mailed()
    assert secret not in json.dumps(made)
