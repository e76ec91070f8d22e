"""Staff change a login's e-mail address, and whoever reads the old one says whether that is right."""

from __future__ import annotations

import pytest

from shared.accounts.portal_logins import PortalLogin
from tests.portal.conftest import NEW_PASSWORD, OWN_PASSWORD, Portal, Town, credentials_of, tokens_of
from tests.support.clock import FakeClock

NEW = "other@example.com"
CONFIRMED = ("portal_login.email_confirmed", {"username": "cmalek"})


async def moved(town: Town) -> tuple[PortalLogin, str]:
    """A login whose address staff have just changed, and the code in the e-mail to the old one."""
    login = await town.own()
    changed = await town.change(login, email=NEW)
    return changed, await town.mailed(login, "email_changed")


async def confirm(portal: Portal, code: str) -> int:
    return (await portal.api("email/confirm", {"token": code})).status


async def report(portal: Portal, code: str) -> int:
    return (await portal.api("password/report", {"token": code})).status


async def resets_to(portal: Portal, town: Town, email: str = NEW) -> int:
    """How many reset e-mails there are once somebody has asked for one."""
    await portal.api("password/forgot", {"agency": "riverside", "username": "cmalek", "email": email})
    return len(await town.rows("select id from mail.deliveries where mail = 'password_reset'"))


async def test_a_confirmed_address_need_not_wait_for_a_day(portal: Portal, town: Town, clock: FakeClock) -> None:
    _, code = await moved(town)
    assert await resets_to(portal, town) == 0
    clock.advance(seconds=1)
    assert await confirm(portal, code) == 204
    assert CONFIRMED in await town.events()
    assert await resets_to(portal, town) == 1
    assert await confirm(portal, code) == 401, "a code works once"


async def test_saying_that_it_was_somebody_else_locks_the_login(portal: Portal, town: Town, clock: FakeClock) -> None:
    _, code = await moved(town)
    thief = await tokens_of(portal)
    clock.advance(seconds=1)
    assert await report(portal, code) == 204
    assert (await portal.get_api("me", token=thief["access_token"])).status == 401
    assert (await portal.api("token", credentials_of(password=OWN_PASSWORD))).status == 401
    assert ("portal_login.reported", {"username": "cmalek"}) in await town.events()
    assert await confirm(portal, code) == 401
    assert await resets_to(portal, town) == 0
    [row] = await town.rows("select reported_at from accounts.portal_logins")
    assert row["reported_at"] == clock()


async def test_a_temporary_password_to_the_new_address_can_be_stopped_from_the_old_one(
    portal: Portal, town: Town, clock: FakeClock
) -> None:
    login = await town.own()
    await town.change(login, email=NEW, reset_password=True)
    code, temporary = await town.mailed(login, "email_changed"), await town.mailed(login)
    required = await (await portal.api("token", credentials_of(password=temporary))).json()
    chosen = {"password_change_token": required["password_change_token"], "new_password": NEW_PASSWORD}
    assert (await portal.api("password", chosen)).status == 200
    clock.advance(seconds=1)
    assert await report(portal, code) == 204, "neither a sign-in nor a new password takes that away"
    assert (await portal.api("token", credentials_of(password=NEW_PASSWORD))).status == 401


async def test_a_further_change_voids_the_confirmation_and_not_the_report(
    portal: Portal, town: Town, clock: FakeClock
) -> None:
    login, first = await moved(town)
    await town.change(login, email="third@example.com")
    second = await town.mailed(login, "email_changed")
    assert second != first
    assert await confirm(portal, first) == 401
    assert await resets_to(portal, town, "third@example.com") == 0
    clock.advance(seconds=1)
    assert await confirm(portal, second) == 204
    assert await report(portal, first) == 204


async def test_an_owner_who_signed_in_has_confirmed_it(portal: Portal, town: Town) -> None:
    _, code = await moved(town)
    await tokens_of(portal)
    assert await confirm(portal, code) == 204, "nobody is told off for confirming what is confirmed"
    assert CONFIRMED not in await town.events()


async def test_a_code_is_good_for_a_week(portal: Portal, town: Town, clock: FakeClock) -> None:
    _, code = await moved(town)
    clock.advance(days=7)
    assert await confirm(portal, code) == 401
    assert await report(portal, code) == 401


async def test_codes_are_good_for_what_they_were_made_for(portal: Portal, town: Town) -> None:
    login, code = await moved(town)
    for path, body in (
        ("password/reset", {"token": code, "new_password": NEW_PASSWORD}),
        ("password", {"password_change_token": code, "new_password": NEW_PASSWORD}),
    ):
        assert (await portal.api(path, body)).status == 401, path
    token = (await tokens_of(portal))["access_token"]
    await portal.api("password", {"current_password": OWN_PASSWORD, "new_password": NEW_PASSWORD}, token=token)
    changed = await town.mailed(login, "password_changed")
    for other in (changed, "nonsense", "a.b", "0" * 32 + "." + "x" * 43):
        assert await confirm(portal, other) == 401
    assert await confirm(portal, code) == 204, "nothing of that used it up"


async def test_a_locked_login_takes_no_confirmation(portal: Portal, town: Town) -> None:
    _, code = await moved(town)
    await town.rows("update accounts.portal_logins set reported_at = now()")
    assert await confirm(portal, code) == 401
    assert CONFIRMED not in await town.events()


async def test_an_agency_without_a_contract_confirms_nothing(portal: Portal, town: Town) -> None:
    _, code = await moved(town)
    await town.rows("update accounts.agencies set contracted = false")
    assert await confirm(portal, code) == 403
    assert CONFIRMED not in await town.events()


async def test_the_page_confirms_by_a_button_and_not_by_being_opened(portal: Portal, town: Town) -> None:
    _, code = await moved(town)
    page = await portal.get("/riverside/confirm-email")
    text = await page.text()
    assert page.status == 200
    assert "Is the new address yours?" in text
    assert 'formaction="/riverside/not-me"' in text
    for wrong in ("nonsense", ""):
        refused = await portal.post("/riverside/confirm-email", {"code": wrong})
        assert refused.status == 422
    assert (
        "You can also confirm the address by signing in."
        in await (await portal.post("/riverside/confirm-email", {"code": "nonsense"})).text()
    )
    assert CONFIRMED not in await town.events()
    done = await portal.post(
        "/riverside/confirm-email", {"code": f"http://portal.example/riverside/confirm-email#token={code}"}
    )
    assert (done.status, done.headers["Location"]) == (303, "/riverside/confirm-email?done=1")
    assert "Your new e-mail address is confirmed." in await (await portal.get(done.headers["Location"])).text()
    assert CONFIRMED in await town.events()


async def test_the_pages_other_button_locks_the_login(portal: Portal, town: Town) -> None:
    _, code = await moved(town)
    done = await portal.post("/riverside/not-me", {"code": code})
    assert (done.status, done.headers["Location"]) == (303, "/riverside/not-me?done=1")
    assert (await portal.api("token", credentials_of())).status == 401


async def test_guessing_codes_is_counted(portal: Portal, town: Town) -> None:
    statuses = [await confirm(portal, "nonsense") for _ in range(31)]
    assert statuses[:30] == [401] * 30
    assert statuses[30] == 429


@pytest.mark.parametrize("change", [{"active": False}, {"reset_password": True}, {"email": "third@example.com"}])
async def test_the_notice_goes_out_whatever_staff_do_next(
    portal: Portal, town: Town, change: dict[str, object]
) -> None:
    login, _ = await moved(town)
    await town.change(login, **change)
    rows = await town.rows("select state from mail.deliveries where mail = 'email_changed'")
    assert {row["state"] for row in rows} == {"queued"}
