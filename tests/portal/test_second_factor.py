"""A second factor at the portal: set up by its owner, asked for after the password, lost and found again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import ClientResponse

from services.admin.use_cases import portal_logins as staff_logins
from services.admin.use_cases import second_factor as staff_factors
from shared.accounts.portal_logins import PortalLogin
from shared.accounts.second_factors import WRONG_CODES
from shared.accounts.sign_in_budgets import FAILURES, FIRST_LOCK
from shared.security.totp import MOST_WRONG, RECOVERY_CODES
from tests.portal.conftest import (
    NEW_PASSWORD,
    OWN_PASSWORD,
    Portal,
    Town,
    credentials_of,
    csrf_of,
    sign_in_page,
    tokens_of,
)
from tests.support.clock import FakeClock
from tests.support.factors import App, codes_in, seed_in

SHORT_PASSWORD = "owl2 fjord"
HALF = "portico_portal_second_step_riverside"
SESSION = "portico_portal_riverside"
REMEMBERED = "portico_portal_remembered_riverside"


async def json_of(answer: ClientResponse, status: int = 200) -> Any:
    assert answer.status == status, await answer.text()
    return await answer.json()


async def set_up(portal: Portal, clock: FakeClock, **credentials: str) -> tuple[App, dict[str, Any]]:
    """An app, set up through the API; answers it with what the confirmation was answered with."""
    token = (await tokens_of(portal, **credentials))["access_token"]
    password = credentials.get("password", OWN_PASSWORD)
    begun = await json_of(await portal.api("second-factor/totp", {"current_password": password}, token=token))
    app = App(begun["secret"], clock)
    confirmed = await json_of(await portal.api("second-factor/totp/confirm", {"code": app.code()}, token=token))
    clock.advance(seconds=1)
    return app, confirmed


async def half_done(portal: Portal, **credentials: str) -> dict[str, Any]:
    answer = await json_of(await portal.api("token", credentials_of(**credentials)))
    assert answer["second_factor_required"] is True, answer
    found: dict[str, Any] = answer
    return found


async def show(portal: Portal, half: dict[str, Any], code: str) -> ClientResponse:
    body = {"second_factor_token": half["second_factor_token"], "code": code}
    return await portal.api("token/second-factor", body)


async def problem(answer: ClientResponse) -> tuple[int, str]:
    return answer.status, (await answer.json())["type"].removeprefix("/problems/")


async def whats(town: Town) -> list[str]:
    return [p["what"] for type_, p in await town.events() if type_ == "portal_login.second_factor_changed"]


async def ask_agency_to_require(town: Town) -> None:
    await town.rows("update accounts.agencies set second_factor_of_representatives = true")


# Setting up and signing in, through the API


async def test_after_the_password_a_code_is_asked_for(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    app, _ = await set_up(portal, clock)
    before = await town.open_sessions()
    half = await half_done(portal)
    assert half["methods"] == ["totp", "recovery_code"]
    assert (half["set_up_required"], half["expires_in"]) == (False, 600)
    assert "access_token" not in half
    assert await town.open_sessions() == before, "no session begins"
    tokens = await json_of(await show(portal, half, app.next_code()))
    assert (await portal.get_api("me", token=tokens["access_token"])).status == 200
    assert (await town.events())[-1] == ("portal_session.started", {"username": "cmalek", "how": "password"})


async def test_an_app_is_set_up_with_the_password_and_a_code(portal: Portal, town: Town, clock: FakeClock) -> None:
    login = await town.own()
    other = (await tokens_of(portal))["access_token"]
    token = (await tokens_of(portal))["access_token"]
    wrong = await portal.api("second-factor/totp", {"current_password": "no such password"}, token=token)
    assert (await json_of(wrong, 422))["errors"][0]["field"] == "current_password"
    begun = await json_of(await portal.api("second-factor/totp", {"current_password": OWN_PASSWORD}, token=token))
    assert begun["uri"].startswith("otpauth://totp/Riverside%20Family%20Services:cmalek?secret=")
    assert len(begun["secret"]) == 32
    app = App(begun["secret"], clock)
    refused = await portal.api("second-factor/totp/confirm", {"code": app.wrong_code()}, token=token)
    assert (await json_of(refused, 422))["errors"][0]["field"] == "code"
    await tokens_of(portal)
    # What another session of the same person began is nothing that this one could see or confirm.
    elsewhere = await portal.api("second-factor/totp/confirm", {"code": app.code()}, token=other)
    assert await problem(elsewhere) == (409, "set-up-expired")
    done = await json_of(await portal.api("second-factor/totp/confirm", {"code": app.code()}, token=token))
    assert len(set(done["recovery_codes"])) == RECOVERY_CODES
    assert (await portal.get_api("me", token=other)).status == 401, "all other sessions end"
    mine = await json_of(await portal.get_api("second-factor", token=done["access_token"]))
    assert (mine["methods"], mine["recovery_codes_left"]) == (["totp", "recovery_code"], RECOVERY_CODES)
    assert await whats(town) == ["app_set_up"]
    code = await town.mailed(login, "second_factor_changed")
    assert (await portal.api("password/report", {"token": code})).status == 204, "that was not me"


async def test_neither_a_code_nor_a_secret_is_stored_in_clear(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    token = (await tokens_of(portal))["access_token"]
    begun = await json_of(await portal.api("second-factor/totp", {"current_password": OWN_PASSWORD}, token=token))
    code = App(begun["secret"], clock).code()
    done = await json_of(await portal.api("second-factor/totp/confirm", {"code": code}, token=token))
    secrets = [begun["secret"], *done["recovery_codes"], *(c.replace("-", "") for c in done["recovery_codes"])]
    for table in ("totp_authenticators", "recovery_codes", "outbox", "sessions"):
        for row in await town.rows(f"select convert_from(t::text::bytea, 'utf8') as text from accounts.{table} t"):
            assert not any(secret in row["text"] for secret in secrets), table
    [row] = await town.rows("select sealed_seed from accounts.totp_authenticators")
    assert begun["secret"].encode() not in row["sealed_seed"]


async def test_each_code_of_the_app_is_good_once(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    app, _ = await set_up(portal, clock)
    # The code that confirmed the app is used up as well.
    assert await problem(await show(portal, await half_done(portal), app.code())) == (401, "wrong-code")
    code = app.next_code()
    assert (await show(portal, await half_done(portal), code)).status == 200
    assert await problem(await show(portal, await half_done(portal), code)) == (401, "wrong-code")
    # Nor is one of before a code that was taken.
    assert await problem(await show(portal, await half_done(portal), app.code(steps=-1))) == (401, "wrong-code")
    assert (await show(portal, await half_done(portal), app.code(steps=1))).status == 200


async def test_one_code_opens_one_session_however_often_it_comes_at_once(
    portal: Portal, town: Town, clock: FakeClock
) -> None:
    await town.own()
    app, _ = await set_up(portal, clock)
    halves, code = [await half_done(portal) for _ in range(4)], app.next_code()
    answers = await asyncio.gather(*(show(portal, half, code) for half in halves))
    assert sorted(answer.status for answer in answers) == [200, 401, 401, 401]


async def test_clocks_may_be_half_a_minute_wrong_and_no_more(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    app, _ = await set_up(portal, clock)
    clock.advance(seconds=300)
    for steps in (-2, 2):
        assert (await show(portal, await half_done(portal), app.code(steps=steps))).status == 401
    for steps in (-1, 1):
        assert (await show(portal, await half_done(portal), app.code(steps=steps))).status == 200


async def test_spaces_and_dashes_do_not_matter(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    app, confirmed = await set_up(portal, clock)
    code = app.next_code()
    assert (await show(portal, await half_done(portal), f" {code[:3]} {code[3:]} ")).status == 200
    recovery = confirmed["recovery_codes"][0].replace("-", "")
    assert (await show(portal, await half_done(portal), f"{recovery[:10]} {recovery[10:]}")).status == 200


async def test_a_recovery_code_stands_in_for_the_app_once(portal: Portal, town: Town, clock: FakeClock) -> None:
    login = await town.own()
    _, confirmed = await set_up(portal, clock)
    code = confirmed["recovery_codes"][3]
    tokens = await json_of(await show(portal, await half_done(portal), code))
    assert await problem(await show(portal, await half_done(portal), code)) == (401, "wrong-code")
    mine = await json_of(await portal.get_api("second-factor", token=tokens["access_token"]))
    assert mine["recovery_codes_left"] == RECOVERY_CODES - 1
    assert await whats(town) == ["app_set_up", "recovery_code_used"]
    mails = await town.rows(
        f"select context from mail.deliveries where mail = 'second_factor_changed' and portal_login_id = '{login.id}' order by id"
    )
    assert "A recovery code was used" in str(mails[-1]["context"])


async def test_a_recovery_code_of_somebody_else_opens_nothing(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    await town.own("jdoe", email="jdoe@example.com")
    await set_up(portal, clock)
    _, theirs = await set_up(portal, clock, username="jdoe")
    assert (await show(portal, await half_done(portal), theirs["recovery_codes"][0])).status == 401
    assert (await show(portal, await half_done(portal, username="jdoe"), theirs["recovery_codes"][0])).status == 200


async def test_new_recovery_codes_take_the_place_of_the_old(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    _, confirmed = await set_up(portal, clock)
    body = {"current_password": OWN_PASSWORD}
    made = await json_of(await portal.api("second-factor/recovery-codes", body, token=confirmed["access_token"]))
    assert not set(made["recovery_codes"]) & set(confirmed["recovery_codes"])
    assert (await show(portal, await half_done(portal), confirmed["recovery_codes"][0])).status == 401
    assert (await show(portal, await half_done(portal), made["recovery_codes"][0])).status == 200


async def test_nobody_without_an_app_gets_recovery_codes(portal: Portal, town: Town) -> None:
    await town.own()
    token = (await tokens_of(portal))["access_token"]
    for path in ("second-factor/recovery-codes", "second-factor/totp/remove"):
        answer = await portal.api(path, {"current_password": OWN_PASSWORD}, token=token)
        assert await problem(answer) == (409, "no-second-factor")


async def test_another_app_takes_the_place_of_the_first_when_it_works(
    portal: Portal, town: Town, clock: FakeClock
) -> None:
    await town.own()
    old, confirmed = await set_up(portal, clock)
    token = confirmed["access_token"]
    begun = await json_of(await portal.api("second-factor/totp", {"current_password": OWN_PASSWORD}, token=token))
    new = App(begun["secret"], clock)
    assert (await show(portal, await half_done(portal), old.next_code())).status == 200, "until it is confirmed"
    done = await json_of(await portal.api("second-factor/totp/confirm", {"code": new.code()}, token=token))
    assert (await show(portal, await half_done(portal), old.next_code())).status == 401
    assert (await show(portal, await half_done(portal), new.code())).status == 200
    assert (await show(portal, await half_done(portal), confirmed["recovery_codes"][0])).status == 401
    assert (await show(portal, await half_done(portal), done["recovery_codes"][0])).status == 200


async def test_a_set_up_waits_fifteen_minutes(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    tokens = await tokens_of(portal)
    body = {"current_password": OWN_PASSWORD}
    begun = await json_of(await portal.api("second-factor/totp", body, token=tokens["access_token"]))
    clock.advance(minutes=10)
    tokens = await json_of(await portal.api("token/refresh", {"refresh_token": tokens["refresh_token"]}))
    clock.advance(minutes=5)
    tokens = await json_of(await portal.api("token/refresh", {"refresh_token": tokens["refresh_token"]}))
    code = App(begun["secret"], clock).code()
    answer = await portal.api("second-factor/totp/confirm", {"code": code}, token=tokens["access_token"])
    assert await problem(answer) == (409, "set-up-expired")


async def test_removing_the_app_asks_for_the_password_and_ends_other_sessions(
    portal: Portal, town: Town, clock: FakeClock
) -> None:
    login = await town.own()
    app, confirmed = await set_up(portal, clock)
    other = await json_of(await show(portal, await half_done(portal), app.next_code()))
    token = confirmed["access_token"]
    assert (await portal.api("second-factor/totp/remove", {"current_password": "wrong"}, token=token)).status == 422
    body = {"current_password": OWN_PASSWORD}
    tokens = await json_of(await portal.api("second-factor/totp/remove", body, token=token))
    assert (await portal.get_api("me", token=other["access_token"])).status == 401
    old = await portal.api("token/refresh", {"refresh_token": confirmed["refresh_token"]})
    assert old.status == 401, "the session goes on with other tokens (ASVS 7.2.4)"
    assert (await portal.get_api("me", token=tokens["access_token"])).status == 200
    await tokens_of(portal)
    assert await town.rows("select 1 from accounts.totp_authenticators") == []
    assert await town.rows("select 1 from accounts.recovery_codes") == []
    assert (await whats(town))[-1] == "app_removed"
    assert await town.mailed(login, "second_factor_changed")


async def test_ten_wrong_current_passwords_end_the_session(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    _, confirmed = await set_up(portal, clock)
    token, paths = confirmed["access_token"], ("totp", "totp/remove", "recovery-codes")
    for turn in range(FAILURES):
        answer = await portal.api(f"second-factor/{paths[turn % 3]}", {"current_password": "wrong"}, token=token)
        assert answer.status == (422 if turn < FAILURES - 1 else 401)
    assert (await portal.get_api("me", token=token)).status == 401
    assert (await town.events())[-1] == ("portal_session.ended", {"username": "cmalek", "reason": "revoked"})


# Wrong codes


async def test_five_wrong_codes_end_a_half_done_sign_in(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    app, _ = await set_up(portal, clock)
    half = await half_done(portal)
    for _ in range(WRONG_CODES - 1):
        assert await problem(await show(portal, half, app.wrong_code())) == (401, "wrong-code")
    assert await problem(await show(portal, half, app.wrong_code())) == (401, "second-factor-expired")
    assert await problem(await show(portal, half, app.next_code())) == (401, "second-factor-expired")
    refused = [p for type_, p in await town.events() if type_ == "portal_session.refused"]
    assert refused == [{"username": "cmalek", "reason": "wrong_code"}] * WRONG_CODES


async def test_wrong_codes_lock_as_wrong_passwords_do_and_a_right_password_forgives_none(
    portal: Portal, town: Town, clock: FakeClock
) -> None:
    login = await town.own()
    app, _ = await set_up(portal, clock)
    for turn in range(FAILURES):
        answer = await show(portal, await half_done(portal), app.wrong_code())
        assert answer.status == 401, turn
    assert (await town.events())[-1][0] == "portal_login.locked"
    # A lock answers as a wrong password does.
    assert await problem(await portal.api("token", credentials_of())) == (401, "bad-credentials")
    found = await staff_logins.read(town.work, actor=town.staff, login_id=login.id)
    assert found.locked(clock())
    clock.advance(seconds=FIRST_LOCK.total_seconds())
    assert (await show(portal, await half_done(portal), app.next_code())).status == 200


async def test_a_lock_closes_half_done_sign_ins_too(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    app, _ = await set_up(portal, clock)
    half = await half_done(portal)
    for _ in range(FAILURES):
        assert (await portal.api("token", credentials_of(password="not the password"))).status == 401
    assert await problem(await show(portal, half, app.next_code())) == (401, "wrong-code")
    assert (await town.events())[-1] == ("portal_session.refused", {"username": "cmalek", "reason": "locked"})


async def test_a_hundred_wrong_codes_in_a_row_close_the_app_but_not_the_recovery_codes(
    portal: Portal, town: Town, clock: FakeClock
) -> None:
    await town.own()
    app, confirmed = await set_up(portal, clock)
    await town.rows(f"update accounts.totp_authenticators set wrong_codes = {MOST_WRONG - 1}")
    half = await half_done(portal)
    assert (await show(portal, half, app.wrong_code())).status == 401
    assert await problem(await show(portal, half, app.next_code())) == (401, "wrong-code")
    assert (await show(portal, half, confirmed["recovery_codes"][0])).status == 200
    assert (await show(portal, await half_done(portal), app.next_code())).status == 200


async def test_a_half_done_sign_in_lasts_ten_minutes_and_opens_one_session(
    portal: Portal, town: Town, clock: FakeClock
) -> None:
    await town.own()
    app, _ = await set_up(portal, clock)
    half = await half_done(portal)
    assert (await show(portal, half, app.next_code())).status == 200
    assert await problem(await show(portal, half, app.next_code())) == (401, "second-factor-expired")
    half = await half_done(portal)
    clock.advance(minutes=10)
    assert await problem(await show(portal, half, app.next_code())) == (401, "second-factor-expired")


async def test_the_token_of_a_half_done_sign_in_opens_nothing_else(
    portal: Portal, town: Town, clock: FakeClock
) -> None:
    await town.own()
    await set_up(portal, clock)
    token = (await half_done(portal))["second_factor_token"]
    assert (await portal.get_api("me", token=token)).status == 401
    assert (await portal.api("token/refresh", {"refresh_token": token})).status == 401
    for path, body in (
        ("password", {"password_change_token": token, "new_password": NEW_PASSWORD}),
        ("password/reset", {"token": token, "new_password": NEW_PASSWORD}),
        ("token/second-factor/totp", {"second_factor_token": token}),
        ("token/second-factor/totp/confirm", {"second_factor_token": token, "code": "123456"}),
    ):
        assert (await portal.api(path, body)).status == 401, path
    for invented in ("nonsense", "a.b", "0" * 32 + "." + "x" * 43):
        body = {"second_factor_token": invented, "code": "123456"}
        assert await problem(await portal.api("token/second-factor", body)) == (401, "second-factor-expired")


@pytest.mark.parametrize("change", [{"active": False}, {"reset_password": True}])
async def test_what_staff_do_ends_half_done_sign_ins(
    portal: Portal, town: Town, clock: FakeClock, change: dict[str, bool]
) -> None:
    login = await town.own()
    app, _ = await set_up(portal, clock)
    half = await half_done(portal)
    await town.change(login, **change)
    assert await problem(await show(portal, half, app.next_code())) == (401, "second-factor-expired")


# Nothing goes around it


async def test_a_reset_e_mail_does_not_go_around_it(portal: Portal, town: Town, clock: FakeClock) -> None:
    login = await town.own()
    app, _ = await set_up(portal, clock)
    asked = {"agency": "riverside", "username": "cmalek", "email": "cmalek@example.com"}
    assert (await portal.api("password/forgot", asked)).status == 202
    body = {"token": await town.mailed(login, "password_reset"), "new_password": NEW_PASSWORD}
    half = await json_of(await portal.api("password/reset", body))
    assert half["second_factor_required"] is True
    assert await town.open_sessions() == 0
    assert (await show(portal, half, app.next_code())).status == 200


async def test_a_temporary_password_does_not_go_around_it(portal: Portal, town: Town, clock: FakeClock) -> None:
    login = await town.own()
    app, _ = await set_up(portal, clock)
    await town.change(login, reset_password=True)
    required = await json_of(await portal.api("token", credentials_of(password=await town.mailed(login))))
    body = {"password_change_token": required["password_change_token"], "new_password": NEW_PASSWORD}
    half = await json_of(await portal.api("password", body))
    assert half["second_factor_required"] is True
    assert await town.open_sessions() == 0
    assert (await show(portal, half, app.next_code())).status == 200


async def test_whoever_was_told_of_a_change_keeps_everybody_out(portal: Portal, town: Town, clock: FakeClock) -> None:
    login = await town.own()
    app, _ = await set_up(portal, clock)
    half = await half_done(portal)
    assert (
        await portal.api("password/report", {"token": await town.mailed(login, "second_factor_changed")})
    ).status == 204
    assert await problem(await show(portal, half, app.next_code())) == (401, "second-factor-expired")
    assert (await portal.api("token", credentials_of())).status == 401


# How long a password must be


async def test_with_a_second_factor_eight_characters_are_enough(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    token = (await tokens_of(portal))["access_token"]
    body = {"current_password": OWN_PASSWORD, "new_password": SHORT_PASSWORD}
    refused = await json_of(await portal.api("password", body, token=token), 422)
    assert "at least 15" in refused["errors"][0]["message"]
    _, confirmed = await set_up(portal, clock)
    token = confirmed["access_token"]
    too_short = {**body, "new_password": "owl2 fj"}
    refused = await json_of(await portal.api("password", too_short, token=token), 422)
    assert "at least 8" in refused["errors"][0]["message"]
    tokens = await json_of(await portal.api("password", body, token=token))
    removed = await portal.api(
        "second-factor/totp/remove", {"current_password": SHORT_PASSWORD}, token=tokens["access_token"]
    )
    assert await problem(removed) == (409, "password-too-short")


async def test_without_the_second_factor_a_short_password_leads_to_a_longer_one(
    portal: Portal, town: Town, clock: FakeClock
) -> None:
    login = await town.own()
    _, confirmed = await set_up(portal, clock)
    body = {"current_password": OWN_PASSWORD, "new_password": SHORT_PASSWORD}
    await json_of(await portal.api("password", body, token=confirmed["access_token"]))
    await reset(town, login)
    required = await json_of(await portal.api("token", credentials_of(password=SHORT_PASSWORD)))
    assert required["password_change_required"] is True
    choice = {"password_change_token": required["password_change_token"], "new_password": "owl3 fjord"}
    assert (await portal.api("password", choice)).status == 422
    assert (await portal.api("password", {**choice, "new_password": NEW_PASSWORD})).status == 200
    changed = [p["how"] for type_, p in await town.events() if type_ == "portal_password.changed"]
    assert changed[-1] == "own"
    sent = await sign_in_page(portal, password=NEW_PASSWORD)
    assert sent.headers["Location"] == "/riverside/"


async def reset(town: Town, login: PortalLogin) -> None:
    town.clock.advance(seconds=1)
    await staff_factors.reset_of_login(
        town.work, town.credentials, actor=town.staff, login_id=login.id, reason="Lost the phone, seen in person"
    )
    town.clock.advance(seconds=1)


async def test_staff_remove_a_lost_factor_and_the_owner_is_told(portal: Portal, town: Town, clock: FakeClock) -> None:
    login = await town.own()
    _, confirmed = await set_up(portal, clock)
    half = await half_done(portal)
    await reset(town, login)
    assert (await portal.get_api("me", token=confirmed["access_token"])).status == 401
    assert (await show(portal, half, confirmed["recovery_codes"][0])).status == 401
    reason = "Lost the phone, seen in person"
    assert ("portal_login.second_factor_reset", {"username": "cmalek", "reason": reason}) in await town.events()
    await tokens_of(portal)
    code = await town.mailed(login, "second_factor_reset")
    assert (await portal.api("password/report", {"token": code})).status == 204


# An agency that asks for it


async def test_a_representative_sets_one_up_where_the_agency_asks_for_it(
    portal: Portal, town: Town, clock: FakeClock
) -> None:
    await town.own()
    await town.own("rep", email="rep@example.com", representative=True)
    await ask_agency_to_require(town)
    await tokens_of(portal)
    half = await half_done(portal, username="rep")
    assert (half["methods"], half["set_up_required"]) == ([], True)
    assert (await show(portal, half, "123456")).status == 401
    token = {"second_factor_token": half["second_factor_token"]}
    begun = await json_of(await portal.api("token/second-factor/totp", token))
    app = App(begun["secret"], clock)
    wrong = await portal.api("token/second-factor/totp/confirm", {**token, "code": app.wrong_code()})
    assert await problem(wrong) == (401, "wrong-code")
    done = await json_of(await portal.api("token/second-factor/totp/confirm", {**token, "code": app.code()}))
    assert len(done["recovery_codes"]) == RECOVERY_CODES
    assert (await portal.get_api("me", token=done["access_token"])).status == 200
    removed = await portal.api(
        "second-factor/totp/remove", {"current_password": OWN_PASSWORD}, token=done["access_token"]
    )
    assert await problem(removed) == (409, "second-factor-needed")
    again = await portal.api("token/second-factor/totp", token)
    assert await problem(again) == (401, "second-factor-expired")
    half = await half_done(portal, username="rep")
    assert half["methods"] == ["totp", "recovery_code"]
    around = await portal.api("token/second-factor/totp", {"second_factor_token": half["second_factor_token"]})
    assert around.status == 401, "who has one shows it, and does not set up another"


# Pages


async def page_of(answer: ClientResponse, status: int = 200) -> str:
    text = await answer.text()
    assert answer.status == status, text
    return text


async def set_up_by_pages(portal: Portal, clock: FakeClock) -> tuple[App, list[str]]:
    overview = await page_of(await portal.get("/riverside/sign-in-security"))
    assert "Set up an app" in overview
    asking = await page_of(await portal.get("/riverside/sign-in-security/app"))
    form = {"csrf_token": csrf_of(asking), "current_password": OWN_PASSWORD}
    assert "current password" in await page_of(
        await portal.post("/riverside/sign-in-security/app", {**form, "current_password": "wrong"}), 422
    )
    page = await page_of(await portal.post("/riverside/sign-in-security/app", form))
    assert "<svg" in page
    assert "style=" not in page, "the policy of our pages takes none"
    app = App(seed_in(page), clock)
    form = {"csrf_token": csrf_of(page), "code": app.wrong_code()}
    again = await page_of(await portal.post("/riverside/sign-in-security/app/confirm", form), 422)
    assert "This code is not right" in again
    assert seed_in(again) == seed_in(page)
    form["code"] = app.code()
    shown = await page_of(await portal.post("/riverside/sign-in-security/app/confirm", form))
    codes = codes_in(shown)
    assert len(codes) == RECOVERY_CODES
    clock.advance(seconds=1)
    return app, codes


async def code_page(portal: Portal, **typed: str) -> ClientResponse:
    page = await page_of(await portal.get("/riverside/second-factor"))
    return await portal.post("/riverside/second-factor", {"csrf_token": csrf_of(page), **typed})


async def test_the_pages_ask_for_the_code_and_lead_where_one_was_headed(
    portal: Portal, town: Town, clock: FakeClock
) -> None:
    await town.own()
    await sign_in_page(portal)
    before = portal.cookies()[SESSION]
    app, codes = await set_up_by_pages(portal, clock)
    assert portal.cookies()[SESSION] != before, "the cookie changes with the factors (ASVS 7.2.4)"
    assert "You have 10 left" in await page_of(await portal.get("/riverside/sign-in-security"))
    portal.forget_cookies()
    sent = await portal.post(
        "/riverside/sign-in", {"username": "cmalek", "password": OWN_PASSWORD, "next": "/riverside/activity"}
    )
    assert (sent.status, sent.headers["Location"]) == (303, "/riverside/second-factor?next=/riverside/activity")
    assert SESSION not in portal.cookies()
    assert (await portal.get("/riverside/activity")).status == 303, "no session yet"
    wrong = await code_page(portal, code=app.wrong_code())
    assert "This code is not right" in await page_of(wrong, 401)
    assert (await code_page(portal, code="")).status == 422
    done = await code_page(portal, code=app.next_code(), next="/riverside/activity")
    assert (done.status, done.headers["Location"]) == (303, "/riverside/activity")
    assert HALF not in portal.cookies()
    assert (await portal.get("/riverside/sessions")).status == 200
    portal.forget_cookies()
    await sign_in_page(portal)
    elsewhere = await code_page(portal, code=codes[0], next="https://elsewhere.example/")
    assert (elsewhere.status, elsewhere.headers["Location"]) == (303, "/riverside/")


async def test_too_late_or_too_often_leads_back_to_the_sign_in(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    app, _ = await set_up(portal, clock)
    for path in ("second-factor", "second-factor/set-up", "second-factor/confirm"):
        answer = await portal.post(f"/riverside/{path}", {})
        assert (answer.status, answer.headers["Location"]) == (303, "/riverside/sign-in?code_too_late=1")
    assert (await portal.get("/riverside/second-factor")).status == 303
    await sign_in_page(portal)
    page = await page_of(await portal.get("/riverside/second-factor"))
    forged = await portal.post("/riverside/second-factor", {"csrf_token": "x", "code": app.next_code()})
    assert forged.status == 403
    form = {"csrf_token": csrf_of(page), "code": app.wrong_code()}
    statuses = [(await portal.post("/riverside/second-factor", form)).status for _ in range(WRONG_CODES)]
    assert statuses == [401] * (WRONG_CODES - 1) + [303]
    assert HALF not in portal.cookies()
    told = await page_of(await portal.get("/riverside/sign-in?code_too_late=1"))
    assert "too many codes were wrong" in told


async def test_a_remembered_device_is_asked_for_the_password_alone(
    portal: Portal, town: Town, clock: FakeClock
) -> None:
    await town.own()
    app, _ = await set_up(portal, clock)
    await sign_in_page(portal)
    assert (await code_page(portal, code=app.next_code(), remember="on")).status == 303
    remembered = portal.cookies()[REMEMBERED]
    assert (await sign_in_page(portal)).headers["Location"] == "/riverside/"
    assert (await sign_in_page(portal, password="not the password")).status == 401
    overview = await page_of(await portal.get("/riverside/sign-in-security"))
    assert "This device" in overview
    # The cookie is nobody else's, and good for nothing without the password.
    await town.own("jdoe", email="jdoe@example.com")
    await set_up(portal, clock, username="jdoe")
    assert "second-factor" in (await sign_in_page(portal, "jdoe")).headers["Location"]
    portal.forget_cookies()
    assert "second-factor" in (await sign_in_page(portal)).headers["Location"]
    portal.http.session.cookie_jar.update_cookies({REMEMBERED: remembered})
    clock.advance(days=30)
    assert "second-factor" in (await sign_in_page(portal)).headers["Location"]


async def test_owners_forget_devices(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    app, _ = await set_up(portal, clock)
    await sign_in_page(portal)
    await code_page(portal, code=app.next_code(), remember="on")
    page = await page_of(await portal.get("/riverside/sign-in-security"))
    [device] = await town.rows("select id from accounts.remembered_devices")
    form = {"csrf_token": csrf_of(page), "device": str(device["id"])}
    assert (
        await portal.post("/riverside/sign-in-security/forget", {**form, "device": str(town.agency.id)})
    ).status == 404
    assert (await portal.post("/riverside/sign-in-security/forget", form)).status == 303
    assert "second-factor" in (await sign_in_page(portal)).headers["Location"]
    assert (await whats(town))[-2:] == ["device_remembered", "devices_forgotten"]


@pytest.mark.parametrize("event", ["password", "reset", "codes", "staff", "inactive", "report", "signed out"])
async def test_what_voids_remembered_devices(portal: Portal, town: Town, clock: FakeClock, event: str) -> None:
    login = await town.own()
    app, confirmed = await set_up(portal, clock)
    token, body = confirmed["access_token"], {"current_password": OWN_PASSWORD}
    await sign_in_page(portal)
    await code_page(portal, code=app.next_code(), remember="on")
    clock.advance(seconds=1)
    if event == "password":
        assert (await portal.api("password", {**body, "new_password": NEW_PASSWORD}, token=token)).status == 200
    elif event == "codes":
        assert (await portal.api("second-factor/recovery-codes", body, token=token)).status == 200
    elif event == "report":
        code = await town.mailed(login, "second_factor_changed")
        assert (await portal.api("password/report", {"token": code})).status == 204
    elif event == "reset":
        await town.change(login, reset_password=True)
    elif event == "inactive":
        await town.change(login, active=False)
    elif event == "staff":
        await reset(town, login)
    else:
        await staff_logins.sign_out(town.work, actor=town.staff, login_id=login.id)
    assert await town.rows("select 1 from accounts.remembered_devices") == []


async def test_a_representative_sets_an_app_up_by_the_pages(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own("rep", email="rep@example.com", representative=True)
    await ask_agency_to_require(town)
    assert "second-factor" in (await sign_in_page(portal, "rep")).headers["Location"]
    page = await page_of(await portal.get("/riverside/second-factor"))
    assert "Set up an app first" in page
    form = {"csrf_token": csrf_of(page), "next": "/riverside/activity"}
    page = await page_of(await portal.post("/riverside/second-factor/set-up", form))
    app = App(seed_in(page), clock)
    again = await page_of(
        await portal.post("/riverside/second-factor/confirm", {**form, "code": app.wrong_code()}), 422
    )
    assert seed_in(again) == seed_in(page)
    assert "or use a recovery code" not in again, "there are none yet"
    for address in ("set-up", "confirm"):
        assert "Set up an app first" in await page_of(await portal.get(f"/riverside/second-factor/{address}"))
    shown = await page_of(await portal.post("/riverside/second-factor/confirm", {**form, "code": app.code()}))
    assert len(codes_in(shown)) == RECOVERY_CODES
    assert "/riverside/activity" in shown
    assert (await portal.get("/riverside/sessions")).status == 200


async def test_the_reset_page_leads_to_the_second_step(portal: Portal, town: Town, clock: FakeClock) -> None:
    login = await town.own()
    app, _ = await set_up(portal, clock)
    await portal.api("password/forgot", {"agency": "riverside", "username": "cmalek", "email": "cmalek@example.com"})
    form = {"code": await town.mailed(login, "password_reset"), "new_password": NEW_PASSWORD}
    done = await portal.post("/riverside/reset", {**form, "confirm_password": NEW_PASSWORD})
    assert (done.status, SESSION in portal.cookies()) == (303, False)
    assert done.headers["Location"].startswith("/riverside/second-factor")
    entered = await code_page(portal, code=app.next_code(), next="/riverside/?welcome=1")
    assert entered.headers["Location"] == "/riverside/?welcome=1"


async def test_pages_make_new_codes_and_remove_the_app(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    await sign_in_page(portal)
    _, codes = await set_up_by_pages(portal, clock)
    asking = await page_of(await portal.get("/riverside/sign-in-security/recovery-codes"))
    assert "no device is remembered any more" in asking
    form = {"csrf_token": csrf_of(asking), "current_password": OWN_PASSWORD}
    made = await page_of(await portal.post("/riverside/sign-in-security/recovery-codes", form))
    assert not set(codes_in(made)) & set(codes)
    assert "The codes that you had before do not work any more." in made
    assert csrf_of(made) == csrf_of(await page_of(await portal.get("/riverside/"))), "its way out works"
    asking = await page_of(await portal.get("/riverside/sign-in-security/remove"))
    form["csrf_token"] = csrf_of(asking)
    removed = await portal.post("/riverside/sign-in-security/remove", form)
    assert (removed.status, removed.headers["Location"]) == (303, "/riverside/sign-in-security?removed=1")
    assert "The app was removed" in await page_of(await portal.get("/riverside/sign-in-security?removed=1"))
    assert "no-store" in (await portal.get("/riverside/sign-in-security")).headers["Cache-Control"]


async def test_a_short_password_is_explained_on_the_page(portal: Portal, town: Town, clock: FakeClock) -> None:
    login = await town.own()
    _, confirmed = await set_up(portal, clock)
    body = {"current_password": OWN_PASSWORD, "new_password": SHORT_PASSWORD}
    await json_of(await portal.api("password", body, token=confirmed["access_token"]))
    await reset(town, login)
    sent = await sign_in_page(portal, password=SHORT_PASSWORD)
    assert sent.headers["Location"] == "/riverside/choose-password?longer=1"
    assert "it is too short" in await page_of(await portal.get(sent.headers["Location"]))


async def test_the_pages_say_how_long_a_password_must_be(portal: Portal, town: Town, clock: FakeClock) -> None:
    login = await town.own()
    await sign_in_page(portal)
    assert "Use 15 to 256 characters" in await page_of(await portal.get("/riverside/change-password"))
    await set_up_by_pages(portal, clock)
    assert "Use 8 to 256 characters" in await page_of(await portal.get("/riverside/change-password"))
    await town.change(login, reset_password=True)
    await sign_in_page(portal, password=await town.mailed(login))
    chosen = await page_of(await portal.get("/riverside/choose-password"))
    assert "Use 8 to 256 characters" in chosen
    assert 'data-least="8"' in chosen
