"""Owners are told by e-mail when somebody tries to get in with their login."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from shared.accounts.second_factors import WRONG_CODES
from shared.accounts.sign_in_budgets import FAILURES
from tests.portal.conftest import Portal, Town, credentials_of, tokens_of
from tests.portal.test_second_factor import half_done, set_up, show
from tests.support.clock import FakeClock


async def warnings(town: Town) -> list[Any]:
    return await town.rows(
        "select recipient, context ->> 'detail' as detail from mail.deliveries where mail = 'sign_in_refused' order by id"
    )


async def guess(portal: Portal, times: int, username: str = "cmalek") -> None:
    for _ in range(times):
        answer = await portal.api("token", credentials_of(username, "not the password at all"))
        assert answer.status == 401


async def test_the_tenth_wrong_password_is_told_once_a_day(portal: Portal, town: Town, clock: FakeClock) -> None:
    login = await town.own()
    await guess(portal, FAILURES - 1)
    assert await warnings(town) == []
    await guess(portal, 1)
    told = {"recipient": "cmalek@example.com", "detail": "Somebody typed a wrong password ten times"}
    assert await warnings(town) == [told]
    clock.advance(seconds=timedelta(hours=2).total_seconds())
    await guess(portal, FAILURES)
    assert await warnings(town) == [told], "nobody fills a mailbox with it"
    # Its reader can close the login.
    code = await town.mailed(login, "sign_in_refused")
    assert (await portal.api("password/report", {"token": code})).status == 204
    clock.advance(seconds=timedelta(hours=2).total_seconds())
    assert (await portal.api("token", credentials_of())).status == 401


async def test_a_day_later_it_is_told_again(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    await guess(portal, FAILURES)
    clock.advance(seconds=timedelta(hours=24, seconds=1).total_seconds())
    await guess(portal, FAILURES)
    assert len(await warnings(town)) == 2


async def test_nobody_is_told_about_a_username_that_is_nobodys(portal: Portal, town: Town) -> None:
    await town.own()
    await guess(portal, 2 * FAILURES, "nobody")
    assert await warnings(town) == []


async def test_the_right_password_with_wrong_codes_is_told(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    app, _ = await set_up(portal, clock)
    half = await half_done(portal)
    for _ in range(WRONG_CODES - 1):
        await show(portal, half, app.wrong_code())
    assert await warnings(town) == []
    await show(portal, half, app.wrong_code())
    [told] = await warnings(town)
    assert told["detail"] == "Somebody typed the right password, and then wrong codes"


async def test_whoever_gets_in_after_a_few_tries_is_not_warned(portal: Portal, town: Town) -> None:
    await town.own()
    await guess(portal, FAILURES - 1)
    await tokens_of(portal)
    assert await warnings(town) == []
