"""Too many wrong passwords lock a login for a while, and never its owner out for good."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from services.admin.use_cases import portal_logins as staff_logins
from shared.accounts.portal_logins import PortalLogin
from shared.accounts.sign_in_budgets import FAILURES, FIRST_LOCK
from tests.portal.conftest import NEW_PASSWORD, Portal, Town, credentials_of, sign_in_page, tokens_of
from tests.support.clock import FakeClock

WRONG = "not the password at all"


async def guess(portal: Portal, times: int = FAILURES, username: str = "cmalek") -> None:
    for _ in range(times):
        answer = await portal.api("token", credentials_of(username, WRONG))
        assert answer.status == 401


async def locked_until(town: Town, login: PortalLogin) -> object:
    found = await staff_logins.read(town.work, actor=town.staff, login_id=login.id)
    return found.locked_until


async def test_the_right_password_is_refused_while_a_login_is_locked(
    portal: Portal, town: Town, clock: FakeClock
) -> None:
    await town.own()
    await guess(portal, FAILURES - 1)
    await tokens_of(portal)
    await guess(portal)
    before = len(await town.events())
    unknown, locked = [await (await portal.api("token", credentials_of(name))).json() for name in ("nobody", "cmalek")]
    assert {**unknown, "request_id": ""} == {**locked, "request_id": ""}
    assert (await town.events())[before + 1] == (
        "portal_session.refused",
        {"username": "cmalek", "reason": "locked"},
    )
    clock.advance(seconds=FIRST_LOCK.total_seconds())
    await tokens_of(portal)


async def test_a_lock_is_an_event_with_its_end(portal: Portal, town: Town, clock: FakeClock) -> None:
    login = await town.own()
    before = len(await town.events())
    await guess(portal)
    until = clock() + FIRST_LOCK
    [locked] = [event for event in (await town.events())[before:] if event[0] == "portal_login.locked"]
    assert locked == (
        "portal_login.locked",
        {
            "username": "cmalek",
            "failures": FAILURES,
            "until": until.isoformat().replace("+00:00", "Z"),
            "known_device": False,
        },
    )
    assert await locked_until(town, login) == until


async def test_guesses_at_once_are_counted_one_by_one(portal: Portal, town: Town) -> None:
    await town.own()
    attempts = [portal.api("token", credentials_of(password=f"{WRONG} {n}")) for n in range(3 * FAILURES)]
    assert {answer.status for answer in await asyncio.gather(*attempts)} == {401}
    reasons = [payload["reason"] for type_, payload in await town.events() if type_ == "portal_session.refused"]
    assert sorted(reasons) == ["locked"] * 2 * FAILURES + ["wrong_password"] * FAILURES
    assert [type_ for type_, _ in await town.events()].count("portal_login.locked") == 1


async def test_nobody_elsewhere_locks_out_a_browser_that_is_known(portal: Portal, town: Town) -> None:
    login = await town.own()
    assert (await sign_in_page(portal)).status == 303
    await guess(portal)
    assert await locked_until(town, login) is not None
    assert (await sign_in_page(portal)).status == 303
    browser = portal.cookies()["portico_portal_browser_riverside"]
    portal.forget_cookies()
    assert (await sign_in_page(portal)).status == 401
    # The other browser's cookie is good for nothing but being counted apart.
    portal.http.session.cookie_jar.update_cookies({"portico_portal_browser_riverside": browser})
    assert (await portal.get("/riverside/activity")).status == 303


async def test_a_known_browser_has_a_budget_of_its_own(portal: Portal, town: Town) -> None:
    await town.own()
    await sign_in_page(portal)
    for _ in range(FAILURES):
        assert (await sign_in_page(portal, password=WRONG)).status == 401
    assert (await sign_in_page(portal)).status == 401
    [locked] = [payload for type_, payload in await town.events() if type_ == "portal_login.locked"]
    assert locked["known_device"] is True
    await tokens_of(portal)


async def test_a_browser_is_known_to_those_alone_who_signed_in_on_it(portal: Portal, town: Town) -> None:
    await town.own()
    await town.own("jdoe", email="jdoe@example.com")
    await sign_in_page(portal)
    await guess(portal, username="jdoe")
    assert (await sign_in_page(portal, "jdoe")).status == 401


async def test_staff_lift_a_lock_at_once(portal: Portal, town: Town) -> None:
    login = await town.own()
    await guess(portal)
    town.clock.advance(seconds=1)
    unlocked = await staff_logins.unlock(town.work, actor=town.staff, login_id=login.id)
    assert unlocked.locked_until is None
    assert (await town.events())[-1] == ("portal_login.unlocked", {"username": "cmalek"})
    before = len(await town.events())
    await staff_logins.unlock(town.work, actor=town.staff, login_id=login.id)
    assert await town.new_events(before) == []
    await guess(portal, FAILURES - 1)
    await tokens_of(portal)


async def test_a_lock_voids_reset_codes_and_a_newer_one_lifts_it(portal: Portal, town: Town, clock: FakeClock) -> None:
    login = await town.own()
    asked = {"agency": "riverside", "username": "cmalek", "email": "cmalek@example.com"}
    assert (await portal.api("password/forgot", asked)).status == 202
    old = await town.mailed(login, "password_reset")
    await guess(portal)
    refused = await portal.api("password/reset", {"token": old, "new_password": NEW_PASSWORD})
    assert (refused.status, (await refused.json())["type"]) == (401, "/problems/reset-expired")
    clock.advance(seconds=61)
    assert (await portal.api("password/forgot", asked)).status == 202
    new = await town.mailed(login, "password_reset")
    assert (await portal.api("password/reset", {"token": new, "new_password": NEW_PASSWORD})).status == 200
    assert ("portal_login.unlocked", {"username": "cmalek"}) in await town.events()
    await tokens_of(portal, password=NEW_PASSWORD)


async def test_a_lock_leaves_the_owners_sessions_alone(portal: Portal, town: Town) -> None:
    await town.own()
    token = (await tokens_of(portal))["access_token"]
    await guess(portal)
    assert (await portal.get_api("me", token=token)).status == 200


async def test_an_inactive_login_has_nothing_to_guess(portal: Portal, town: Town) -> None:
    login = await town.own()
    await town.change(login, active=False)
    await guess(portal, FAILURES + 1)
    assert await locked_until(town, login) is None


async def test_wrong_passwords_of_long_ago_do_not_count(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    await guess(portal, FAILURES - 1)
    clock.advance(seconds=timedelta(days=1).total_seconds())
    await guess(portal, 1)
    await tokens_of(portal)
