"""An agency's new logins get a link to choose a password, in place of a temporary one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.admin.use_cases import face_sheets, notices
from services.admin.use_cases import portal_logins as staff_logins
from shared.accounts import portal_logins
from shared.accounts.portal_logins import PortalLogin
from tests.portal.conftest import NEW_PASSWORD, OWN_PASSWORD, Portal, Town, credentials_of, csrf_of, tokens_of
from tests.support.clock import FakeClock
from tests.support.people import World

MAIL = "invitation_link"


async def by_link(town: Town, choice: notices.NewLoginsGet = "link") -> None:
    boss = replace(town.staff, role="agency_admin")
    await notices.change(town.work, actor=boss, new_logins_get=choice)
    town.clock.advance(seconds=1)


async def invited(town: Town, **options: Any) -> tuple[PortalLogin, str]:
    """A login whose owner was sent a link, and its code."""
    await by_link(town)
    new = staff_logins.NewPortalLogin("cmalek", "cmalek@example.com", **options)
    login = await staff_logins.create(town.work, town.credentials, actor=town.staff, client_id=town.client.id, new=new)
    town.clock.advance(seconds=1)
    return login, await town.mailed(login, MAIL)


async def accept(portal: Portal, code: str) -> tuple[int, dict[str, Any]]:
    answer = await portal.api("password/invitation", {"token": code})
    return answer.status, await answer.json()


async def choose(portal: Portal, token: str, password: str = NEW_PASSWORD) -> int:
    return (await portal.api("password", {"password_change_token": token, "new_password": password})).status


async def state(town: Town, login: PortalLogin) -> str:
    async with town.pool.transaction(town.agency.id) as conn:
        stored = await portal_logins.by_id(conn, login.id)
    assert stored is not None
    return stored.password_state(town.clock())


async def used(town: Town, portal: Portal, code: str) -> None:
    status, required = await accept(portal, code)
    assert status == 200
    town.clock.advance(seconds=1)
    assert await choose(portal, required["password_change_token"]) == 200


async def test_a_new_login_has_no_hash_and_its_mail_no_password(town: Town) -> None:
    login, code = await invited(town)
    [row] = await town.rows("select * from accounts.portal_logins")
    assert (row["password_hash"], row["temporary_password_hash"]) == (None, None)
    [mail] = await town.rows("select mail, context from mail.deliveries where finished_at is null")
    assert mail["mail"] == MAIL
    assert "http://portal.example/riverside/" in mail["context"]
    [stored] = await town.rows("select purpose, expires_at - issued_at as lives from accounts.password_tokens")
    assert (stored["purpose"], stored["lives"].total_seconds()) == ("invitation", 72 * 3600)
    assert code not in str(await town.rows("select * from accounts.password_tokens"))
    assert await state(town, login) == "link_sent"


async def test_the_link_leads_to_a_password_and_is_good_for_one(portal: Portal, town: Town) -> None:
    login, code = await invited(town)
    status, required = await accept(portal, code)
    assert (status, required["password_change_required"], required["expires_in"]) == (200, True, 900)
    assert await town.open_sessions() == 0
    town.clock.advance(seconds=1)
    assert (await accept(portal, code))[0] == 200, "whoever closed the page opens the link again"
    assert await choose(portal, required["password_change_token"], "short") == 422
    assert await choose(portal, required["password_change_token"]) == 200
    assert ("portal_password.changed", {"username": "cmalek", "how": "link"}) in await town.events()
    assert (await accept(portal, code))[0] == 401
    assert await choose(portal, required["password_change_token"], OWN_PASSWORD) == 401
    assert await state(town, login) == "own"
    await tokens_of(portal, password=NEW_PASSWORD)


async def test_a_choice_that_was_opened_twice_is_made_once(portal: Portal, town: Town) -> None:
    _, code = await invited(town)
    first, second = [(await accept(portal, code))[1]["password_change_token"] for _ in range(2)]
    assert await choose(portal, first) == 200
    assert await choose(portal, second, OWN_PASSWORD) == 401


async def test_a_code_of_another_kind_is_no_link_and_a_link_no_reset(portal: Portal, town: Town) -> None:
    login, code = await invited(town)
    assert (await portal.api("password/reset", {"token": code, "new_password": NEW_PASSWORD})).status == 401
    assert (await portal.api("password/report", {"token": code})).status == 401
    assert (await portal.api("email/confirm", {"token": code})).status == 401
    assert await choose(portal, code) == 401
    await used(town, portal, code)
    changed = await town.mailed(login, "password_changed")
    for wrong in (changed, "nonsense", code[:-1] + ("A" if code[-1] != "A" else "B")):
        status, problem = await accept(portal, wrong)
        assert (status, problem["type"]) == (401, "/problems/invitation-expired")


async def test_a_link_expires_when_a_temporary_password_would(portal: Portal, town: Town, clock: FakeClock) -> None:
    login, code = await invited(town)
    clock.advance(hours=71, minutes=59)
    assert (await accept(portal, code))[0] == 200
    clock.advance(minutes=1)
    assert (await accept(portal, code))[0] == 401
    assert await state(town, login) == "link_expired"


async def test_nothing_that_is_typed_as_a_password_opens_anything(portal: Portal, town: Town) -> None:
    _, code = await invited(town)
    for typed in (code, "", OWN_PASSWORD):
        answer = await portal.api("token", credentials_of(password=typed or "x"))
        assert answer.status == 401
    refused = ("portal_session.refused", {"username": "cmalek", "reason": "no_password"})
    assert (await town.events())[-1] == refused


async def test_a_newer_link_takes_the_place_of_the_one_before(portal: Portal, town: Town) -> None:
    login, old = await invited(town)
    await town.change(login, reset_password=True)
    new = await town.mailed(login, MAIL)
    assert (await accept(portal, old))[0] == 401
    assert ("delivery.superseded", MAIL) in [(t, p.get("mail")) for t, p in await town.events()]
    await used(town, portal, new)


async def test_staff_take_an_own_password_away_with_a_link(portal: Portal, town: Town) -> None:
    login = await town.own()
    session = (await tokens_of(portal))["access_token"]
    await by_link(town)
    await town.change(login, reset_password=True)
    assert (await portal.get_api("me", token=session)).status == 401
    assert (await portal.api("token", credentials_of())).status == 401
    updated = [payload for type_, payload in await town.events() if type_ == "portal_login.updated"][-1]
    assert (updated["password_updated"], updated["by_link"]) == (True, True)
    await used(town, portal, await town.mailed(login, MAIL))


async def test_a_login_made_inactive_loses_its_link_and_gets_another_when_it_is_active_again(
    portal: Portal, town: Town
) -> None:
    login, code = await invited(town)
    _, required = await accept(portal, code)
    await town.rows("update mail.deliveries set state = 'accepted', finished_at = now(), sealed_secret = null")
    await town.change(login, active=False)
    assert (await accept(portal, code))[0] == 401
    assert await choose(portal, required["password_change_token"]) == 401
    assert await state(town, login) == "none"
    await town.change(login, active=True)
    assert (await accept(portal, code))[0] == 401
    await used(town, portal, await town.mailed(login, MAIL))


async def test_a_refusal_voids_the_link_as_well(portal: Portal, town: Town) -> None:
    login, code = await invited(town)
    refusal = face_sheets.FaceSheetChange(portal_refused=True, deactivate_portal_logins=True)
    await face_sheets.update(town.work, town.credentials, actor=town.staff, client_id=town.client.id, change=refusal)
    assert (await accept(portal, code))[0] == 401
    await town.change(login, active=True)
    await used(town, portal, await town.mailed(login, MAIL))


async def test_a_corrected_address_gets_a_link_and_the_wrong_one_keeps_none(portal: Portal, town: Town) -> None:
    login, wrong = await invited(town)
    await town.rows("update mail.deliveries set state = 'accepted', finished_at = now(), sealed_secret = null")
    await town.change(login, email="right@example.com")
    assert (await accept(portal, wrong))[0] == 401
    [mail] = await town.rows(f"select recipient from mail.deliveries where mail = '{MAIL}' and finished_at is null")
    assert mail["recipient"] == "right@example.com"
    await used(town, portal, await town.mailed(login, MAIL))


async def test_a_report_voids_the_link(portal: Portal, town: Town) -> None:
    login = await town.own()
    await town.change(login, email="other@example.com")
    report = await town.mailed(login, "email_changed")
    await by_link(town)
    await town.change(login, reset_password=True)
    code = await town.mailed(login, MAIL)
    assert (await portal.api("password/report", {"token": report})).status == 204
    assert (await accept(portal, code))[0] == 401


async def test_a_forgotten_password_is_reset_once_the_link_has_left(portal: Portal, town: Town) -> None:
    login, code = await invited(town)
    asked = {"agency": "riverside", "username": "cmalek", "email": "cmalek@example.com"}
    await portal.api("password/forgot", asked)
    assert await town.rows("select id from mail.deliveries where mail = 'password_reset'") == [], "it is on its way"
    await town.rows("update mail.deliveries set state = 'accepted', finished_at = now(), sealed_secret = null")
    await portal.api("password/forgot", asked)
    reset = await town.mailed(login, "password_reset")
    town.clock.advance(seconds=1)
    answer = await portal.api("password/reset", {"token": reset, "new_password": NEW_PASSWORD})
    assert answer.status == 200
    assert (await accept(portal, code))[0] == 401, "a password is chosen, so the link is over"


async def test_without_a_contract_the_link_opens_nothing(portal: Portal, town: Town) -> None:
    _, code = await invited(town)
    await town.rows("update accounts.agencies set contracted = false")
    assert (await accept(portal, code))[0] == 403


async def test_what_was_sent_before_the_choice_changed_stays_good(portal: Portal, town: Town) -> None:
    _, temporary = await town.login("jdoe", email="jdoe@example.com")
    _, code = await invited(town)
    await by_link(town, "temporary_password")
    assert (await portal.api("token", credentials_of("jdoe", temporary))).status == 200
    await used(town, portal, code)
    again, _ = await town.login("later", email="later@example.com")
    assert await state(town, again) == "temporary"


# The pages


async def opened(portal: Portal, code: str, slug: str = "riverside") -> tuple[int, str]:
    answer = await portal.post(f"/{slug}/invitation", {"code": code})
    return answer.status, answer.headers.get("Location", await answer.text())


async def test_opening_the_page_does_nothing(portal: Portal, town: Town) -> None:
    _, code = await invited(town)
    before = await town.rows("select * from accounts.password_tokens")
    for address in ("/riverside/invitation", f"/riverside/invitation?token={code}"):
        answer = await portal.get(address)
        assert answer.status == 200
        assert not answer.headers.getall("Set-Cookie", [])
    assert await town.rows("select * from accounts.password_tokens") == before
    assert (await portal.get("/riverside/choose-password")).status == 303


@pytest.mark.parametrize("representative", [False, True])
async def test_the_page_of_the_choice_names_the_login_and_a_representatives_client(
    portal: Portal, town: Town, *, representative: bool
) -> None:
    _, code = await invited(town, representative=representative)
    assert await opened(portal, f"http://portal.example/riverside/invitation#token={code}") == (
        303,
        "/riverside/choose-password",
    )
    page = await (await portal.get("/riverside/choose-password")).text()
    assert "cmalek" in page
    assert "temporary" not in page
    assert ("Catherine Malek" in page) is representative
    form = {"new_password": NEW_PASSWORD, "confirm_password": NEW_PASSWORD, "csrf_token": csrf_of(page)}
    town.clock.advance(seconds=1)
    chosen = await portal.post("/riverside/choose-password", form)
    assert (chosen.status, chosen.headers["Location"]) == (303, "/riverside/?welcome=1")
    assert (await portal.get("/riverside/")).status == 200
    status, text = await opened(portal, code)
    assert status == 422
    assert "Ask your agency to send you a new one." in text


async def test_a_link_of_another_agency_is_refused_at_the_page(portal: Portal, town: Town, world: World) -> None:
    _, code = await invited(town)
    await world.agency("lakeside", name="Lakeside")
    status, text = await opened(portal, code, "lakeside")
    assert status == 422
    assert "Catherine" not in text
    assert (await accept(portal, code))[0] == 200


async def test_too_many_codes_from_one_address_are_refused(portal: Portal, town: Town) -> None:
    statuses = [(await accept(portal, "nonsense"))[0] for _ in range(31)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
