"""Somebody signs in with a device that was not used with the login before, and its owner is told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from services.admin.use_cases import notices
from services.portal.use_cases.new_devices import coarse
from tests.portal.conftest import NEW_PASSWORD, Portal, Town, credentials_of, csrf_of, sign_in_page, tokens_of
from tests.portal.test_passkeys import Phone, half_done, phone, with_app, with_passkey
from tests.support.clock import FakeClock

__all__ = ["phone"]

PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Mobile/15E148 Safari/604.1"


async def told(town: Town) -> list[dict[str, Any]]:
    rows = await town.rows("select recipient, context from mail.deliveries where mail = 'new_device' order by id")
    return [{"recipient": row["recipient"], **json.loads(row["context"])} for row in rows]


async def signed_in_elsewhere(portal: Portal, town: Town, agent: str = PHONE) -> None:
    """On a browser that has no cookie of ours."""
    portal.forget_cookies()
    town.clock.advance(seconds=1)
    form = {"username": "cmalek", "password": "blue kettle walks on the roof"}
    answer = await portal.post("/riverside/sign-in", form, headers={"User-Agent": agent})
    assert answer.status == 303


async def test_a_second_browser_is_told_and_the_first_is_not(portal: Portal, town: Town) -> None:
    await town.own()
    await sign_in_page(portal)
    assert await told(town) == []
    await signed_in_elsewhere(portal, town)
    [mail] = await told(town)
    assert mail["recipient"] == "cmalek@example.com"
    assert mail["detail"] == "Mobile Safari on iOS"
    assert mail["place"] == "127.0.x.x"
    assert mail["happened_at"] == town.clock().isoformat()
    assert mail["portal_url"] == "http://portal.example/riverside/"


async def test_a_browser_that_is_known_is_not_told_again(portal: Portal, town: Town) -> None:
    await town.own()
    await sign_in_page(portal)
    await signed_in_elsewhere(portal, town)
    for _ in range(2):
        town.clock.advance(hours=1)
        assert (await sign_in_page(portal)).status == 303
    assert len(await told(town)) == 1


async def test_the_first_sign_in_of_all_is_not_told(portal: Portal, town: Town) -> None:
    _, temporary = await town.login()
    await sign_in_page(portal, password=temporary)
    page = await (await portal.get("/riverside/choose-password")).text()
    form = {"new_password": NEW_PASSWORD, "confirm_password": NEW_PASSWORD, "csrf_token": csrf_of(page)}
    assert (await portal.post("/riverside/choose-password", form)).status == 303
    assert await town.open_sessions() == 1
    assert await told(town) == []


async def test_there_are_three_a_day_at_most(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    await sign_in_page(portal)
    for _ in range(5):
        await signed_in_elsewhere(portal, town)
    assert len(await told(town)) == 3
    clock.advance(hours=24)
    await signed_in_elsewhere(portal, town)
    assert len(await told(town)) == 4


async def test_the_mails_code_locks_the_login(portal: Portal, town: Town) -> None:
    login = await town.own()
    await sign_in_page(portal)
    await signed_in_elsewhere(portal, town)
    code = await town.mailed(login, "new_device")
    town.clock.advance(seconds=1)
    assert (await portal.api("password/report", {"token": code})).status == 204
    assert await town.open_sessions() == 0
    assert (await portal.api("token", credentials_of())).status == 401


async def test_nothing_is_told_where_the_agency_does_not_want_it(portal: Portal, town: Town) -> None:
    await notices.change(town.work, actor=replace(town.staff, role="agency_admin"), new_device=False)
    await town.own()
    await sign_in_page(portal)
    await signed_in_elsewhere(portal, town)
    assert await told(town) == []


async def test_a_wrong_password_tells_nobody(portal: Portal, town: Town) -> None:
    await town.own()
    await sign_in_page(portal)
    portal.forget_cookies()
    assert (await sign_in_page(portal, password="something else altogether")).status == 401
    assert await told(town) == []


async def test_programs_are_known_by_their_name(portal: Portal, town: Town) -> None:
    await town.own()
    await tokens_of(portal)
    town.clock.advance(seconds=1)
    await tokens_of(portal)
    assert await told(town) == [], "the same program again"
    body = credentials_of()
    answer = await portal.http.post("/api/v1/token", json=body, headers={"User-Agent": "Other/1.0"})
    assert answer.status == 200
    assert len(await told(town)) == 1


async def all_before_were_others(town: Town) -> None:
    """As if the sessions that there were had been those of another program."""
    await town.rows("update accounts.sessions set user_agent = 'Other/1.0'")


async def test_a_second_step_is_told_of_when_it_is_done_and_not_before(portal: Portal, town: Town) -> None:
    await town.own()
    app = await with_app(portal, town)
    await all_before_were_others(town)
    half = await half_done(portal)
    assert await told(town) == [], "the password alone has opened nothing"
    code = {"second_factor_token": half["second_factor_token"], "code": app.next_code()}
    assert (await portal.api("token/second-factor", code)).status == 200
    assert len(await told(town)) == 1


async def test_a_sign_in_with_a_passkey_is_told_as_well(portal: Portal, town: Town, phone: Phone) -> None:
    await with_passkey(portal, town, phone)
    await all_before_were_others(town)
    assert (await phone.sign_in()).status == 200
    assert len(await told(town)) == 1
    assert (await phone.sign_in()).status == 200
    assert len(await told(town)) == 1


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("198.51.100.7", "198.51.x.x"),
        ("2001:db8:1:2::3", "2001:0db8:..."),
        ("::ffff:198.51.100.7", "198.51.x.x"),
        (None, ""),
    ],
)
def test_an_address_is_shown_in_part(address: str | None, shown: str) -> None:
    assert coarse(address) == shown
