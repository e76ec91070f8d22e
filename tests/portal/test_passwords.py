"""Choosing, changing and resetting passwords through the API."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from ops.passwords.writing import Keys, write
from services.portal.settings import PortalSettings
from shared.accounts.sign_in_budgets import FAILURES
from shared.security.blocklist import key_of
from tests.portal.conftest import NEW_PASSWORD, OWN_PASSWORD, Portal, Town, credentials_of, tokens_of
from tests.support.clock import FakeClock
from tests.support.people import World


async def change_token(portal: Portal, temporary: str) -> str:
    """What a sign-in with a temporary password gives."""
    answer = await (await portal.api("token", credentials_of(password=temporary))).json()
    return str(answer["password_change_token"])


async def choose(portal: Portal, token: str, password: str = OWN_PASSWORD) -> Any:
    return await portal.api("password", {"password_change_token": token, "new_password": password})


async def ask_for_reset(portal: Portal, **fields: str) -> Any:
    asked = {"agency": "riverside", "username": "cmalek", "email": "cmalek@example.com", **fields}
    return await portal.api("password/forgot", asked)


async def reasons(answer: Any) -> list[str]:
    problem = await answer.json()
    assert answer.status == 422
    assert {error["field"] for error in problem["errors"]} == {"new_password"}
    return [error["message"] for error in problem["errors"]]


# The first password


async def test_the_first_own_password_lets_its_owner_in(portal: Portal, town: Town) -> None:
    _, temporary = await town.login()
    before = len(await town.events())
    answer = await choose(portal, await change_token(portal, temporary))
    tokens = await answer.json()
    assert answer.status == 200
    assert (await portal.get_api("me", token=tokens["access_token"])).status == 200
    types = [type_ for type_, _ in (await town.events())[before:]]
    assert types[0] == "portal_password.changed"
    assert types[-1] == "portal_session.started"
    assert ("portal_password.changed", {"username": "cmalek", "how": "first"}) in await town.events()
    assert (await portal.api("token", credentials_of(password=temporary))).status == 401, "the temporary one is dead"
    assert (await portal.api("token", credentials_of())).status == 200


async def test_an_email_that_waits_is_wiped_once_a_password_is_chosen(portal: Portal, town: Town) -> None:
    _, temporary = await town.login()
    await choose(portal, await change_token(portal, temporary))
    rows = await town.rows("select state, sealed_secret from mail.deliveries where mail = 'temporary_password'")
    assert rows == [{"state": "superseded", "sealed_secret": None}]


async def test_a_change_token_is_good_once(portal: Portal, town: Town) -> None:
    _, temporary = await town.login()
    token = await change_token(portal, temporary)
    other = await change_token(portal, temporary)
    assert (await choose(portal, token)).status == 200
    for used in (token, other):
        again = await choose(portal, used, NEW_PASSWORD)
        assert (again.status, (await again.json())["type"]) == (401, "/problems/password-change-expired")
    assert (await portal.api("token", credentials_of())).status == 200


async def test_of_two_choices_at_once_one_counts(portal: Portal, town: Town) -> None:
    _, temporary = await town.login()
    token = await change_token(portal, temporary)
    answers = await asyncio.gather(*(choose(portal, token, p) for p in (OWN_PASSWORD, NEW_PASSWORD)))
    assert sorted(answer.status for answer in answers) == [200, 401]


async def test_a_refused_password_leaves_the_token_good(portal: Portal, town: Town) -> None:
    _, temporary = await town.login()
    token = await change_token(portal, temporary)
    found = await reasons(await choose(portal, token, "Malek1234"))
    assert len(found) == 2, "too short, and about oneself"
    assert any("at least 15" in reason for reason in found)
    assert any("malek" in reason for reason in found)
    assert (await choose(portal, token)).status == 200


async def test_the_temporary_password_cannot_be_kept(portal: Portal, town: Town) -> None:
    _, temporary = await town.login()
    token = await change_token(portal, temporary)
    assert "temporary" in (await reasons(await choose(portal, token, temporary)))[0]
    assert (await choose(portal, token)).status == 200


async def test_a_change_token_lasts_fifteen_minutes(portal: Portal, town: Town, clock: FakeClock) -> None:
    _, temporary = await town.login()
    token = await change_token(portal, temporary)
    clock.advance(minutes=15)
    assert (await choose(portal, token)).status == 401


async def test_a_new_temporary_password_voids_what_the_old_one_gave(portal: Portal, town: Town) -> None:
    login, temporary = await town.login()
    token = await change_token(portal, temporary)
    await town.change(login, reset_password=True)
    assert (await choose(portal, token)).status == 401


async def test_a_login_made_inactive_meanwhile_gets_no_password(portal: Portal, town: Town) -> None:
    login, temporary = await town.login()
    token = await change_token(portal, temporary)
    await town.change(login, active=False)
    assert (await choose(portal, token)).status == 401
    assert await town.open_sessions() == 0


async def test_invented_tokens_are_refused(portal: Portal, town: Town) -> None:
    for token in ("nonsense", "0" * 32 + "." + "x" * 43, "a.b", "\u00e9" * 40):
        assert (await choose(portal, token)).status == 401, token
        reset = await portal.api("password/reset", {"token": token, "new_password": NEW_PASSWORD})
        assert reset.status == 401, token


async def test_a_password_on_the_operators_own_list_is_refused(
    settings: PortalSettings, log: Any, start: Any, town: Town, tmp_path: Path
) -> None:
    keys = Keys()
    keys.add([key_of("blue kettle walks on the roof")])
    write(keys, tmp_path / "own.bin")
    listed = PortalSettings(**{**settings.model_dump(), "password_blocklist_file": tmp_path / "own.bin"})
    portal = Portal(await start(listed), log[0])
    _, temporary = await town.login()
    token = await change_token(portal, temporary)
    refused = await reasons(await choose(portal, token, "Blue kettle walks on the roof"))
    assert refused == ["This password is on lists of passwords that others have used and lost."]
    assert (await portal.api("password", {"password_change_token": token, "new_password": NEW_PASSWORD})).status == 200


# Another password


async def test_changing_the_password_ends_all_other_sessions(portal: Portal, town: Town) -> None:
    await town.own()
    mine, elsewhere = await tokens_of(portal), await tokens_of(portal)
    before = len(await town.events())
    changed = await portal.api(
        "password", {"current_password": OWN_PASSWORD, "new_password": NEW_PASSWORD}, token=mine["access_token"]
    )
    tokens = await changed.json()
    assert changed.status == 200
    assert (await portal.get_api("me", token=tokens["access_token"])).status == 200
    assert (await portal.get_api("me", token=elsewhere["access_token"])).status == 401
    assert (await town.events())[before:] == [
        ("portal_password.changed", {"username": "cmalek", "how": "own"}),
        ("portal_session.ended", {"username": "cmalek", "reason": "revoked"}),
        ("delivery.queued", {"delivery_id": ANY, "mail": "password_changed"}),
    ]
    assert (await portal.api("token", credentials_of())).status == 401
    assert (await portal.api("token", credentials_of(password=NEW_PASSWORD))).status == 200


async def test_the_refresh_token_from_before_is_no_good_and_ends_nothing(portal: Portal, town: Town) -> None:
    await town.own()
    mine = await tokens_of(portal)
    changed = await portal.api(
        "password", {"current_password": OWN_PASSWORD, "new_password": NEW_PASSWORD}, token=mine["access_token"]
    )
    tokens = await changed.json()
    assert (await portal.api("token/refresh", {"refresh_token": mine["refresh_token"]})).status == 401
    assert (await portal.api("token/refresh", {"refresh_token": tokens["refresh_token"]})).status == 200


async def test_a_change_needs_the_current_password(portal: Portal, town: Town) -> None:
    await town.own()
    token = (await tokens_of(portal))["access_token"]
    wrong = {"current_password": "not the current one", "new_password": NEW_PASSWORD}
    answer = await portal.api("password", wrong, token=token)
    assert answer.status == 422
    assert [error["field"] for error in (await answer.json())["errors"]] == ["current_password"]
    same = {"current_password": OWN_PASSWORD, "new_password": OWN_PASSWORD}
    assert "current" in (await reasons(await portal.api("password", same, token=token)))[0]
    without = {"current_password": OWN_PASSWORD, "new_password": NEW_PASSWORD}
    assert (await portal.api("password", without)).status == 401
    assert (await portal.api("token", credentials_of())).status == 200, "nothing was changed"


async def test_whoever_guesses_the_current_password_is_signed_out(portal: Portal, town: Town) -> None:
    await town.own()
    found, mine = (await tokens_of(portal))["access_token"], (await tokens_of(portal))["access_token"]
    wrong = {"current_password": "not the current one", "new_password": NEW_PASSWORD}
    statuses = [(await portal.api("password", wrong, token=found)).status for _ in range(FAILURES)]
    assert statuses == [422] * (FAILURES - 1) + [401]
    right = {"current_password": OWN_PASSWORD, "new_password": NEW_PASSWORD}
    assert (await portal.api("password", right, token=found)).status == 401
    assert (await town.events())[-1] == ("portal_session.ended", {"username": "cmalek", "reason": "revoked"})
    assert (await portal.get_api("me", token=mine)).status == 200
    await tokens_of(portal)


# A forgotten password


async def test_reset_mails_are_five_a_day(portal: Portal, town: Town, clock: FakeClock) -> None:
    await town.own()
    mails = "select id from mail.deliveries where mail = 'password_reset'"
    for number in range(1, 8):
        await ask_for_reset(portal)
        assert len(await town.rows(mails)) == min(number, 5)
        clock.advance(seconds=3600)
    clock.advance(seconds=18 * 3600)
    await ask_for_reset(portal)
    assert len(await town.rows(mails)) == 6


async def test_an_address_that_staff_put_in_waits_for_a_day(portal: Portal, town: Town, clock: FakeClock) -> None:
    login = await town.own()
    mails = "select recipient from mail.deliveries where mail = 'password_reset'"
    await town.change(login, email="other@example.com")
    await ask_for_reset(portal, email="other@example.com")
    assert await town.rows(mails) == []
    clock.advance(hours=24)
    await ask_for_reset(portal, email="other@example.com")
    assert [row["recipient"] for row in await town.rows(mails)] == ["other@example.com"]


async def test_an_owner_who_signs_in_need_not_wait(portal: Portal, town: Town) -> None:
    login = await town.own()
    await town.change(login, email="other@example.com")
    await tokens_of(portal)
    await ask_for_reset(portal, email="other@example.com")
    assert len(await town.rows("select id from mail.deliveries where mail = 'password_reset'")) == 1


async def test_a_login_that_nobody_used_has_no_old_address_to_wait_for(portal: Portal, town: Town) -> None:
    login, _ = await town.login()
    await town.change(login, email="other@example.com")
    await town.rows("update mail.deliveries set state = 'accepted', finished_at = now(), sealed_secret = null")
    await ask_for_reset(portal, email="other@example.com")
    assert len(await town.rows("select id from mail.deliveries where mail = 'password_reset'")) == 1


async def test_a_reset_lets_the_owner_choose_another_password(portal: Portal, town: Town) -> None:
    login = await town.own()
    old = await tokens_of(portal)
    assert (await ask_for_reset(portal, email="CMalek@Example.com", username="CMALEK")).status == 202
    token = await town.mailed(login, "password_reset")
    before = len(await town.events())
    answer = await portal.api("password/reset", {"token": token, "new_password": NEW_PASSWORD})
    assert answer.status == 200
    assert (await portal.get_api("me", token=(await answer.json())["access_token"])).status == 200
    assert (await portal.get_api("me", token=old["access_token"])).status == 401
    types = await town.new_events(before)
    assert types[0] == "portal_password.changed"
    assert types[-1] == "portal_session.started"
    assert ("portal_password.changed", {"username": "cmalek", "how": "reset"}) in await town.events()
    again = await portal.api("password/reset", {"token": token, "new_password": OWN_PASSWORD})
    assert (again.status, (await again.json())["type"]) == (401, "/problems/reset-expired")
    assert (await portal.api("token", credentials_of(password=NEW_PASSWORD))).status == 200


async def test_the_reset_mail_leads_to_the_page_and_carries_its_code_sealed(portal: Portal, town: Town) -> None:
    await town.own()
    await ask_for_reset(portal)
    rows = await town.rows("select recipient, context from mail.deliveries where mail = 'password_reset'")
    assert rows[0]["recipient"] == "cmalek@example.com"
    assert '"portal_url": "http://portal.example/riverside/"' in rows[0]["context"]
    assert ("portal_password.reset_requested", {"username": "cmalek"}) in await town.events()


async def test_the_answer_is_the_same_for_all_and_takes_as_long(portal: Portal, town: Town, world: World) -> None:
    await town.own()
    inactive = await town.own("jdoe", email="jdoe@example.com")
    await town.change(inactive, active=False)
    await world.agency("hillcrest", name="Hillcrest", contracted=False)
    deliveries = len(await town.rows("select id from mail.deliveries"))
    found, loop = [], asyncio.get_running_loop()
    for fields in (
        {},
        {"username": "nobody"},
        {"email": "other@example.com"},
        {"username": "jdoe", "email": "jdoe@example.com"},
        {"agency": "hillcrest"},
        {"agency": "elsewhere"},
    ):
        started = loop.time()
        answer = await ask_for_reset(portal, **fields)
        found.append((answer.status, await answer.read(), loop.time() - started))
    assert {(status, body) for status, body, _ in found} == {(202, b"")}
    # Far longer than the work itself takes, for everybody.
    assert all(seconds >= 0.39 for _, _, seconds in found), found
    assert len(await town.rows("select id from mail.deliveries")) == deliveries + 1, "one mail, to the one who may"


async def test_one_reset_is_open_at_a_time(portal: Portal, town: Town, clock: FakeClock) -> None:
    login = await town.own()
    await ask_for_reset(portal)
    first = await town.mailed(login, "password_reset")
    await ask_for_reset(portal)
    assert await town.mailed(login, "password_reset") == first, "asked again at once, the mail on its way is enough"
    clock.advance(minutes=1)
    await ask_for_reset(portal)
    second = await town.mailed(login, "password_reset")
    assert second != first
    assert (await portal.api("password/reset", {"token": first, "new_password": NEW_PASSWORD})).status == 401
    assert (await portal.api("password/reset", {"token": second, "new_password": NEW_PASSWORD})).status == 200


async def test_a_reset_code_lasts_an_hour(portal: Portal, town: Town, clock: FakeClock) -> None:
    login = await town.own()
    await ask_for_reset(portal)
    token = await town.mailed(login, "password_reset")
    clock.advance(hours=1)
    assert (await portal.api("password/reset", {"token": token, "new_password": NEW_PASSWORD})).status == 401


async def test_a_reset_does_not_take_the_place_of_a_temporary_password_on_its_way(portal: Portal, town: Town) -> None:
    login, temporary = await town.login()
    await ask_for_reset(portal)
    assert await town.mailed(login) == temporary


async def test_each_token_opens_its_own_door_only(portal: Portal, town: Town) -> None:
    _, temporary = await town.login()
    token = await change_token(portal, temporary)
    assert (await portal.api("password/reset", {"token": token, "new_password": OWN_PASSWORD})).status == 401
    owner = await town.own("jdoe", email="jdoe@example.com")
    await ask_for_reset(portal, username="jdoe", email="jdoe@example.com")
    reset = await town.mailed(owner, "password_reset")
    assert (await choose(portal, reset)).status == 401


async def test_a_change_of_password_voids_a_reset_that_is_open(portal: Portal, town: Town) -> None:
    login = await town.own()
    await ask_for_reset(portal)
    token = await town.mailed(login, "password_reset")
    mine = await tokens_of(portal)
    body = {"current_password": OWN_PASSWORD, "new_password": NEW_PASSWORD}
    assert (await portal.api("password", body, token=mine["access_token"])).status == 200
    refused = await portal.api("password/reset", {"token": token, "new_password": "quite another phrase of mine"})
    assert refused.status == 401


async def test_no_secret_is_in_any_log_event_or_row(
    portal: Portal, town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    login, temporary = await town.login()
    token = await change_token(portal, temporary)
    tokens = await (await choose(portal, token)).json()
    body = {"current_password": OWN_PASSWORD, "new_password": NEW_PASSWORD}
    await portal.api("password", body, token=tokens["access_token"])
    await ask_for_reset(portal)
    reset = await town.mailed(login, "password_reset")
    logged = "".join(capsys.readouterr())
    assert "/api/v1/password/forgot" in logged
    tables = ("portal_logins", "sessions", "refresh_tokens", "password_tokens", "outbox")
    stored = "".join([repr(await town.rows(f"select * from accounts.{table}")) for table in tables])
    stored += repr(await town.rows("select * from mail.deliveries"))
    for secret in (temporary, token, reset, OWN_PASSWORD, NEW_PASSWORD, *tokens.values()):
        if isinstance(secret, str) and secret != "Bearer":
            assert secret not in logged
            assert secret not in stored
    assert "cmalek@example.com" not in logged
