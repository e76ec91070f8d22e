"""The pages on which agency admins manage staff, and on which staff see to their own passwords."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from shared.accounts.sign_in_budgets import FAILURES
from tests.admin.conftest import Api, Browser, Page, Town, invited
from tests.admin.test_second_factor import set_up
from tests.support.clock import FakeClock
from tests.support.people import STAFF_PASSWORD

Http = TestClient[web.Request, web.Application]
OWN = "seven lamps beside an old bridge"
NEW = "three green boats at the quay"


@pytest.fixture
async def office(http: Http, boss: Api) -> Browser:
    """Signed in as the agency admin ``boss``."""
    found = Browser(http)
    await found.sign_in("boss")
    return found


async def person(town: Town, username: str) -> str:
    """The address of a staff user's page."""
    [row] = await town.rows("select id from accounts.staff_users where username = $1", username)
    return f"staff/{row['id']}"


async def pressed(browser: Browser, page: Page, path: str, **typed: str | None) -> Page:
    """Send the form of a page that goes to ``path``, with what is typed into it; None unticks a box."""
    form = {**page.form(f"/{path}"), **{name: text for name, text in typed.items() if text is not None}}
    for name in [name for name, text in typed.items() if text is None]:
        form.pop(name, None)
    return await browser.post(path, form)


# Who is let in


async def test_the_administration_menu_is_for_agency_admins(http: Http, office: Browser, town: Town) -> None:
    main = await office.get("")
    assert "Administration Menu" in main.words
    menu = await office.get("administration")
    assert (menu.status, 'href="/riverside/staff"' in menu.text) == (200, True)
    await town.world.staff(town.agency, "sam", role="supervisor")
    for username in ("nextstep", "sam"):
        browser = Browser(http)
        await browser.sign_in(username)
        assert "Administration Menu" not in (await browser.get("")).words
        for path in ("administration", "staff", "staff/new", await person(town, "boss")):
            page = await browser.get(path)
            assert (page.status, "Your role does not allow this." in page.words) == (403, True), path


# The table and adding


async def test_the_table_tells_what_to_know_of_everybody(office: Browser, boss: Api, town: Town) -> None:
    await invited(boss)
    for _ in range(FAILURES):
        await boss.post("token", {"agency": "riverside", "username": "nextstep", "password": "not this one"})
    words = (await office.get("staff")).words
    assert "Name Username Role E-mail Active Last sign-in" in words
    assert "Alex Morgan boss Agency Admin Not recorded Yes 3/2/2026 10:00 AM Open Alex Morgan" in words
    assert "NextStep Solutions Locked nextstep Staff" in words
    assert "Nora Newman Invited nora Staff nora@example.org Yes Not recorded" in words


async def test_the_table_goes_on(office: Browser, town: Town) -> None:
    for number in range(26):
        await town.execute(
            "insert into accounts.staff_users (id, agency_id, username, display_name, role, created_at)"
            " values (gen_random_uuid(), $1, $2, $3, 'staff', now())",
            *(town.agency.id, f"person{number:02}", f"Person {number:02}"),
        )
    first = await office.get("staff")
    assert "Person 22" in first.words
    assert "Person 25" not in first.words
    following = first.text.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0]
    second = await office.get(following)
    assert "Person 25" in second.words
    assert "First page" in second.words
    assert (await office.get("staff?after=nobody")).status == 404


async def test_somebody_is_added_and_invited(office: Browser, town: Town) -> None:
    page = await office.get("staff/new")
    typed = {"display_name": "Nora Newman", "username": "nora", "email": "nora@example.org", "role": "supervisor"}
    done = await pressed(office, page, "staff/new", **typed)
    path = await person(town, "nora")
    assert (done.status, done.headers["Location"]) == (303, f"/riverside/{path}?done=added")
    after = await office.get(done.headers["Location"])
    assert "An e-mail with a temporary password is on its way." in after.words
    assert "A temporary password, until 3/5/2026 10:00 AM" in after.words
    assert "Temporary password nora@example.org 3/2/2026 10:00 AM Waiting to be sent" in after.words
    assert await town.secret_for("nora", "staff_invitation") not in after.text


async def test_what_is_wrong_stands_beside_the_fields(office: Browser, boss: Api) -> None:
    await invited(boss)
    page = await office.get("staff/new")
    wrong = await pressed(office, page, "staff/new", display_name="", username="no", email="nobody")
    assert wrong.status == 422
    assert len(wrong.errors) == 3
    in_order = [wrong.summary.index(f"{label}: ") for label in ("Name", "Username", "E-mail")]
    assert in_order == sorted(in_order), "as on the page"
    assert wrong.form()["username"] == "no"
    taken = await pressed(
        office, page, "staff/new", display_name="Nora Two", username="Nora", email="two@example.org", role="staff"
    )
    assert (taken.status, taken.errors) == (409, ["That username is already in use at this agency."])


async def test_a_form_of_another_session_adds_nobody(office: Browser, town: Town) -> None:
    typed = {"display_name": "Nora", "username": "nora", "email": "nora@example.org", "role": "staff"}
    page = await office.post("staff/new", {**typed, "csrf_token": "forged"})
    assert page.status == 403
    assert "staff.created" not in await town.types()


# Changing


async def test_a_role_is_changed_and_its_owner_signed_out(office: Browser, api: Api, town: Town) -> None:
    path = await person(town, "nextstep")
    page = await office.get(f"{path}/edit")
    assert page.form()["display_name"] == "NextStep Solutions"
    done = await pressed(office, page, f"{path}/edit", role="supervisor", email="next@example.org")
    assert (done.status, done.headers["Location"]) == (303, f"/riverside/{path}?done=updated")
    assert "Supervisor" in (await office.get(path)).words
    assert (await api.get("sessions")).status == 401


async def test_an_address_may_stay_away_but_not_go_away(office: Browser, boss: Api, town: Town) -> None:
    path = await person(town, "nextstep")
    done = await pressed(office, await office.get(f"{path}/edit"), f"{path}/edit", display_name="Next Step")
    assert done.status == 303, "somebody from before staff had addresses"
    await invited(boss)
    path = await person(town, "nora")
    page = await pressed(office, await office.get(f"{path}/edit"), f"{path}/edit", email="")
    assert (page.status, page.errors) == (422, ["Enter an e-mail address."])


async def test_what_somebody_else_changed_meanwhile_is_not_overwritten(office: Browser, boss: Api, town: Town) -> None:
    path = await person(town, "nextstep")
    page = await office.get(f"{path}/edit")
    await boss.patch(path, {"display_name": "Changed Meanwhile"})
    again = await pressed(office, page, f"{path}/edit", display_name="Mine")
    assert (again.status, "Somebody else changed this meanwhile" in again.words) == (412, True)
    assert again.form()["display_name"] == "Changed Meanwhile"
    done = await pressed(office, again, f"{path}/edit", display_name="Mine")
    assert done.status == 303


async def test_admins_leave_their_own_role_alone(office: Browser, town: Town) -> None:
    path = await person(town, "boss")
    page = await office.get(f"{path}/edit")
    assert "can be changed by another agency admin" in page.words
    refused = await pressed(office, page, f"{path}/edit", role="staff")
    assert (refused.status, "You cannot change your own role." in refused.words) == (409, True)
    refused = await pressed(office, page, f"{path}/edit", active=None)
    assert (refused.status, "You cannot make yourself inactive." in refused.words) == (409, True)
    assert (await pressed(office, page, f"{path}/edit", display_name="Alexandra Morgan")).status == 303
    assert "Alexandra Morgan" in (await office.get(path)).words


async def test_a_lock_is_seen_and_lifted(http: Http, office: Browser, boss: Api, town: Town) -> None:
    for _ in range(FAILURES):
        await boss.post("token", {"agency": "riverside", "username": "nextstep", "password": "not this one"})
    path = await person(town, "nextstep")
    page = await office.get(path)
    assert "nextstep is locked until 3/2/2026 10:15 AM, after 10 failed sign-ins." in page.words
    forged = await office.post(f"{path}/unlock", {"csrf_token": "x"})
    assert forged.status == 403
    done = await pressed(office, page, f"{path}/unlock")
    after = await office.get(done.headers["Location"])
    assert "The staff user is not locked any more." in after.words
    assert "is locked until" not in after.words
    await Api(http).sign_in()


async def test_open_sessions_are_listed_and_ended(office: Browser, api: Api, boss: Api, town: Town) -> None:
    path = await person(town, "nextstep")
    page = await office.get(path)
    assert "Device Address Signed in Last used" in page.words
    assert "Not signed in anywhere" not in page.words
    done = await pressed(office, page, f"{path}/sign-out")
    after = await office.get(done.headers["Location"])
    assert "The staff user was signed out everywhere." in after.words
    assert "Not signed in anywhere" in after.words
    assert (await api.get("sessions")).status == 401
    own = await office.get(await person(town, "boss"))
    assert "This device" in own.words
    assert "End all sessions" not in own.words


async def test_a_new_temporary_password_is_sent(office: Browser, api: Api, boss: Api, town: Town) -> None:
    path = await person(town, "nextstep")
    assert "There is no e-mail address to send one to." in (await office.get(path)).words
    await boss.patch(path, {"email": "next@example.org"})
    done = await pressed(office, await office.get(path), f"{path}/new-password")
    after = await office.get(done.headers["Location"])
    assert "An e-mail with a new temporary password is on its way." in after.words
    assert "Temporary password next@example.org" in after.words
    assert [recipient for recipient, _ in await town.mailed()] == ["next@example.org"]


async def test_an_e_mail_that_failed_says_why(office: Browser, boss: Api, town: Town) -> None:
    await invited(boss)
    await town.execute("update mail.deliveries set state = 'failed', finished_at = now(), sealed_secret = null")
    await town.execute(
        "insert into mail.delivery_attempts (delivery_id, number, started_at, ended_at, outcome, reply_code, reply,"
        " agency_id) select id, 1, now(), now(), 'refused', 550, 'no such mailbox', agency_id from mail.deliveries"
    )
    words = (await office.get(await person(town, "nora"))).words
    assert "Could not be sent The mail server said: no such mailbox" in words


# One's own password


async def test_the_first_sign_in_leads_to_a_password_of_ones_own(
    http: Http, boss: Api, town: Town, clock: FakeClock
) -> None:
    await invited(boss)
    browser = Browser(http)
    secret = await town.secret_for("nora", "staff_invitation")
    asked = await browser.post("sign-in", {"username": "nora", "password": secret})
    assert (asked.status, asked.headers["Location"]) == (303, "/riverside/choose-password")
    assert "portico_staff_choice_riverside" in asked.headers["Set-Cookie"]
    assert "HttpOnly" in asked.headers["Set-Cookie"]
    page = await browser.get("choose-password")
    differing = await pressed(browser, page, "choose-password", new_password=OWN, confirm_password=NEW)
    assert (differing.status, differing.errors) == (422, ["This is not the same as the new password."])
    forged = await browser.post("choose-password", {"csrf_token": "x", "new_password": OWN, "confirm_password": OWN})
    assert forged.status == 403
    done = await pressed(browser, page, "choose-password", new_password=OWN, confirm_password=OWN)
    assert (done.status, done.headers["Location"]) == (303, "/riverside/?welcome=1")
    main = await browser.get(done.headers["Location"])
    assert "Your password is saved." in main.words
    assert "Nora Newman" in main.words
    late = await browser.get("choose-password")
    assert late.headers["Location"] == "/riverside/sign-in?too_late=1"


async def test_ones_account_leads_to_password_and_sessions(http: Http, town: Town) -> None:
    browser = Browser(http)
    await browser.sign_in()
    page = await browser.get("account")
    assert "Name NextStep Solutions Username nextstep Role Staff E-mail Not recorded" in page.words
    for path in ("change-password", "sessions"):
        assert f'href="/riverside/{path}"' in page.text


async def test_a_password_is_changed_and_the_browser_goes_on(http: Http, api: Api, town: Town) -> None:
    browser = Browser(http)
    await browser.sign_in()
    page = await browser.get("change-password")
    wrong = await pressed(
        browser, page, "change-password", current_password=OWN, new_password=NEW, confirm_password=NEW
    )
    assert (wrong.status, wrong.errors) == (422, ["This is not your current password."])
    before = browser.cookies()["portico_staff_riverside"]
    typed = {"current_password": STAFF_PASSWORD, "new_password": NEW, "confirm_password": NEW}
    done = await pressed(browser, page, "change-password", **typed)
    assert done.headers["Location"] == "/riverside/change-password?changed=1"
    assert browser.cookies()["portico_staff_riverside"] != before
    assert "Your password was changed." in (await browser.get(done.headers["Location"])).words
    assert (await api.get("sessions")).status == 401


async def test_a_forgotten_password_is_reset_from_the_mail(http: Http, town: Town, clock: FakeClock) -> None:
    await town.execute("update accounts.staff_users set email = 'next@example.org'")
    browser = Browser(http)
    assert 'href="/riverside/forgot-password"' in (await browser.get("sign-in")).text
    page = await browser.get("forgot-password")
    wrong = await pressed(browser, page, "forgot-password", username="nextstep", email="")
    assert wrong.status == 422
    done = await pressed(browser, page, "forgot-password", username="nextstep", email="next@example.org")
    assert done.headers["Location"] == "/riverside/forgot-password?sent=1"
    assert "Look into your e-mail" in (await browser.get(done.headers["Location"])).words
    code = await town.secret_for("nextstep", "staff_password_reset")
    clock.advance(seconds=1)
    page = await browser.get("reset")
    wrong = await pressed(browser, page, "reset", code="nothing", new_password=NEW, confirm_password=NEW)
    assert (wrong.status, wrong.errors[0][:22]) == (422, "This code is not right")
    weak = await pressed(browser, page, "reset", code=code, new_password="short", confirm_password="short")
    assert weak.status == 422
    link = f"http://admin.example/riverside/reset#token={code}"
    done = await pressed(browser, page, "reset", code=link, new_password=NEW, confirm_password=NEW)
    assert (done.status, done.headers["Location"]) == (303, "/riverside/?welcome=1")
    assert (await browser.get("")).status == 200


async def test_that_was_not_me(http: Http, office: Browser, town: Town) -> None:
    await town.execute("update accounts.staff_users set email = 'next@example.org' where username = 'nextstep'")
    browser = Browser(http)
    await browser.sign_in()
    page = await browser.get("change-password")
    typed = {"current_password": STAFF_PASSWORD, "new_password": NEW, "confirm_password": NEW}
    await pressed(browser, page, "change-password", **typed)
    code = await town.secret_for("nextstep", "staff_password_changed")
    page = await browser.get("not-me")
    assert "staff.reported" not in await town.types(), "opening it does nothing"
    wrong = await pressed(browser, page, "not-me", code="nothing")
    assert (wrong.status, len(wrong.errors)) == (422, 1)
    done = await pressed(browser, page, "not-me", code=code)
    assert done.headers["Location"] == "/riverside/not-me?done=1"
    assert "Tell an admin of your agency" in (await browser.get(done.headers["Location"])).words
    refused = await browser.post("sign-in", {"username": "nextstep", "password": NEW})
    assert refused.status == 401
    await office.sign_in("boss")
    words = (await office.get(await person(town, "nextstep"))).words
    assert "said on 3/2/2026 10:00 AM that a change, or an attempt to sign in, was not theirs." in words
    assert "NextStep Solutions Reported nextstep" in (await office.get("staff")).words


async def test_staff_of_an_agency_without_contract_sign_in_and_change_their_password(http: Http, town: Town) -> None:
    await town.execute("update accounts.agencies set contracted = false")
    browser = Browser(http)
    await browser.sign_in()
    typed = {"current_password": STAFF_PASSWORD, "new_password": NEW, "confirm_password": NEW}
    done = await pressed(browser, await browser.get("change-password"), "change-password", **typed)
    assert done.status == 303


async def test_a_lost_second_step_is_removed_with_a_reason(
    api: Api, http: Http, office: Browser, town: Town, clock: FakeClock
) -> None:
    await set_up(api, clock)
    path = await person(town, "nextstep")
    page = await office.get(path)
    assert "Remove the second step" in page.words
    page = await office.get(f"{path}/second-factor")
    refused = await pressed(office, page, f"{path}/second-factor", reason="x")
    assert (refused.status, refused.errors) == (422, ["Use at least 3 characters."])
    done = await pressed(office, page, f"{path}/second-factor", reason="Spoke with them at the office")
    assert (done.status, done.headers["Location"]) == (303, f"/riverside/{path}?done=factor-removed")
    assert "The second step was removed" in (await office.get(done.headers["Location"])).words
    assert (await api.get("second-factor")).status == 401
    await Api(http).sign_in()
    again = await pressed(office, page, f"{path}/second-factor", reason="Spoke with them at the office")
    assert (again.status, "There is no second factor to remove." in again.words) == (422, True)
    own = await person(town, "boss")
    assert "Remove the second step" not in (await office.get(own)).words
