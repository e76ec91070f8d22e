"""The owners of portal logins add passkeys and sign in with them, by the API and by the pages."""

from __future__ import annotations

import asyncio
import html
import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import ClientResponse

from services.admin.use_cases import second_factor as staff_factors
from shared.accounts import passkeys
from shared.accounts.portal_logins import PortalLogin
from shared.accounts.sign_in_budgets import FAILURES
from shared.accounts_service import RELAY_POOL
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
from tests.support.authenticator import Authenticator
from tests.support.clock import FakeClock
from tests.support.factors import App
from tests.support.people import World

ORIGIN = "http://portal.example"


@dataclass
class Phone:
    """Somebody's device, at the API."""

    portal: Portal
    key: Authenticator = field(default_factory=lambda: Authenticator(ORIGIN))

    async def ask(self, agency: str = "riverside") -> dict[str, Any]:
        answer = await self.portal.api("token/passkey/options", {"agency": agency})
        assert answer.status == 200, await answer.text()
        question: dict[str, Any] = await answer.json()
        return question

    async def answer(self, question: dict[str, Any], agency: str = "riverside", **changes: Any) -> ClientResponse:
        credential = self.key.get(question["options"])
        body = {"agency": agency, "handle": question["handle"], "credential": credential, **changes}
        return await self.portal.api("token/passkey", body)

    async def sign_in(self, agency: str = "riverside") -> ClientResponse:
        return await self.answer(await self.ask(agency), agency)

    async def begin(self, token: str, password: str = OWN_PASSWORD) -> dict[str, Any]:
        answer = await self.portal.api("passkeys/options", {"current_password": password}, token=token)
        assert answer.status == 200, await answer.text()
        question: dict[str, Any] = await answer.json()
        return question

    async def finish(self, token: str, question: dict[str, Any], name: str = "My phone") -> ClientResponse:
        credential = self.key.create(question["options"])
        body = {"handle": question["handle"], "name": name, "credential": credential}
        return await self.portal.api("passkeys", body, token=token)

    async def add(self, token: str, name: str = "My phone") -> dict[str, Any]:
        answer = await self.finish(token, await self.begin(token), name)
        assert answer.status == 201, await answer.text()
        added: dict[str, Any] = await answer.json()
        return added


@pytest.fixture
def phone(portal: Portal) -> Phone:
    return Phone(portal)


async def with_passkey(portal: Portal, town: Town, phone: Phone) -> tuple[PortalLogin, dict[str, Any]]:
    """A login with a passkey; answers what its session goes on with."""
    login = await town.own()
    added = await phone.add((await tokens_of(portal))["access_token"])
    town.clock.advance(seconds=1)
    return login, added


async def last(town: Town) -> tuple[str, Any]:
    return (await town.events())[-1]


# Signing in


async def test_a_passkey_signs_in_without_username_or_password(portal: Portal, town: Town, phone: Phone) -> None:
    await with_passkey(portal, town, phone)
    answer = await phone.sign_in()
    assert answer.status == 200
    tokens = await answer.json()
    assert set(tokens) == {"access_token", "token_type", "expires_in", "refresh_token"}
    me = await (await portal.get_api("me", token=tokens["access_token"])).json()
    assert me["username"] == "cmalek"
    assert await last(town) == ("portal_session.started", {"username": "cmalek", "how": "passkey"})
    [item] = (await (await portal.get_api("passkeys", token=tokens["access_token"])).json())["items"]
    assert item["last_used_at"] == "2026-03-02T15:00:02Z"


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "http://evil.example"},
        {"rp_id": "evil.example"},
        {"verifies": False},
        {"cross_origin": True},
        {"user_handle": bytes(16)},
    ],
    ids=str,
)
async def test_a_wrong_answer_is_refused(portal: Portal, town: Town, phone: Phone, wrong: dict[str, Any]) -> None:
    await with_passkey(portal, town, phone)
    good = phone.key
    phone.key = replace(good, **wrong)
    answer = await phone.sign_in()
    assert answer.status == 401
    assert (await answer.json())["type"] == "/problems/bad-credentials"
    assert await last(town) == ("portal_session.refused", {"username": "cmalek", "reason": "wrong_passkey"})
    phone.key = good
    assert (await phone.sign_in()).status == 200


async def test_an_answer_is_good_once_and_for_five_minutes(
    portal: Portal, town: Town, phone: Phone, clock: FakeClock
) -> None:
    await with_passkey(portal, town, phone)
    question = await phone.ask()
    credential = phone.key.get(question["options"])
    assert (await phone.answer(question, credential=credential)).status == 200
    assert (await phone.answer(question, credential=credential)).status == 401
    assert (await phone.answer(question)).status == 401, "nor is the question, whatever the answer"
    question = await phone.ask()
    clock.advance(seconds=299)
    assert (await phone.answer(question)).status == 200
    question = await phone.ask()
    clock.advance(minutes=5)
    assert (await phone.answer(question)).status == 401


async def test_a_refused_answer_uses_the_question_up(portal: Portal, town: Town, phone: Phone) -> None:
    await with_passkey(portal, town, phone)
    question = await phone.ask()
    good, phone.key = phone.key, replace(phone.key, verifies=False)
    assert (await phone.answer(question)).status == 401
    phone.key = good
    assert (await phone.answer(question)).status == 401


async def test_of_two_answers_at_once_one_is_good(portal: Portal, town: Town, phone: Phone) -> None:
    await with_passkey(portal, town, phone)
    question = await phone.ask()
    credential = phone.key.get(question["options"])
    answers = await asyncio.gather(*(phone.answer(question, credential=credential) for _ in range(4)))
    assert sorted(a.status for a in answers) == [200, 401, 401, 401]


async def test_a_counter_that_goes_back_is_refused_and_told(portal: Portal, town: Town, phone: Phone) -> None:
    await with_passkey(portal, town, phone)
    assert (await phone.sign_in()).status == 200
    copy = Phone(portal, replace(phone.key))
    assert (await phone.sign_in()).status == 200
    assert (await copy.sign_in()).status == 401
    assert await last(town) == ("portal_session.refused", {"username": "cmalek", "reason": "copied_passkey"})
    assert (await phone.sign_in()).status == 200, "a refused use moves no counter"


async def test_passkeys_that_do_not_count_sign_in_again_and_again(portal: Portal, town: Town) -> None:
    phone = Phone(portal, Authenticator(ORIGIN, counts=False, backed_up=True))
    _, added = await with_passkey(portal, town, phone)
    assert added["passkey"]["backed_up"] is True
    for _ in range(3):
        assert (await phone.sign_in()).status == 200


async def test_another_agencys_passkey_opens_nothing_here(
    portal: Portal, town: Town, phone: Phone, world: World
) -> None:
    await with_passkey(portal, town, phone)
    await world.agency("lakeside", name="Lakeside")
    assert (await phone.sign_in("lakeside")).status == 401
    assert await last(town) == ("portal_session.refused", {"username": None, "reason": "unknown_passkey"})
    elsewhere = await phone.ask("lakeside")
    assert (await phone.answer(elsewhere, "riverside")).status == 401, "a question of one agency is no good at another"
    assert (await phone.sign_in()).status == 200


async def test_unknown_passkeys_and_made_up_ones_are_refused_alike(portal: Portal, town: Town, phone: Phone) -> None:
    await with_passkey(portal, town, phone)
    question = await phone.ask()
    stranger = Phone(portal)
    expected = await (await stranger.answer(await phone.ask())).json()
    for changes in (
        {"credential": {}},
        {"credential": {"id": 5}},
        {"handle": "x"},
        {"handle": "0" * 32 + "." + "x" * 43},
    ):
        answer = await phone.answer(question, **changes)
        assert answer.status == 401, changes
        found = await answer.json()
        assert {**found, "request_id": ""} == {**expected, "request_id": ""}
    assert (await portal.api("token/passkey/options", {"agency": "nowhere"})).status == 401
    answer = await phone.answer(question, "nowhere")
    assert answer.status == 401


async def test_whoever_is_barred_stays_out_with_a_passkey_too(portal: Portal, town: Town, phone: Phone) -> None:
    login, _ = await with_passkey(portal, town, phone)
    await town.change(login, active=False)
    town.clock.advance(seconds=1)
    assert (await phone.sign_in()).status == 401
    assert await last(town) == ("portal_session.refused", {"username": "cmalek", "reason": "inactive"})
    await town.change(login, active=True)
    assert (await phone.sign_in()).status == 200, "deactivation keeps it"
    for _ in range(FAILURES):
        await portal.api("token", credentials_of(password="wrong"))
    town.clock.advance(seconds=1)
    assert (await phone.sign_in()).status == 401
    assert await last(town) == ("portal_session.refused", {"username": "cmalek", "reason": "locked"})


async def test_a_passkey_opens_nothing_without_a_contract(portal: Portal, town: Town, phone: Phone) -> None:
    await with_passkey(portal, town, phone)
    question = await phone.ask()
    await town.rows("update accounts.agencies set contracted = false")
    assert (await (await phone.answer(question)).json())["type"] == "/problems/not-contracted"
    answer = await portal.api("token/passkey/options", {"agency": "riverside"})
    assert (await answer.json())["type"] == "/problems/not-contracted"


async def test_a_waiting_temporary_password_does_not_stop_a_passkey(portal: Portal, town: Town, phone: Phone) -> None:
    login, _ = await with_passkey(portal, town, phone)
    await town.change(login, reset_password=True)
    assert (await phone.sign_in()).status == 200
    temporary = await town.mailed(login)
    required = await portal.api("token", credentials_of(password=temporary))
    assert (await required.json())["password_change_required"] is True


async def test_passkeys_that_fail_are_counted_and_those_that_work_are_not(
    portal: Portal, town: Town, phone: Phone
) -> None:
    await with_passkey(portal, town, phone)
    for _ in range(35):
        assert (await phone.sign_in()).status == 200
    stranger, statuses = Phone(portal), []
    for _ in range(16):
        answer = await portal.api("token/passkey/options", {"agency": "riverside"})
        statuses.append(answer.status)
        if answer.status == 200:
            statuses.append((await stranger.answer(await answer.json())).status)
    assert statuses[-1] == 429
    assert statuses.count(401) == 15


# Beside a second step


async def half_done(portal: Portal) -> dict[str, Any]:
    """What a right password comes to when a second step is asked for."""
    answer = await (await portal.api("token", credentials_of())).json()
    assert answer["second_factor_required"] is True, answer
    found: dict[str, Any] = answer
    return found


async def with_app(portal: Portal, town: Town) -> App:
    token = (await tokens_of(portal))["access_token"]
    begun = await (await portal.api("second-factor/totp", {"current_password": OWN_PASSWORD}, token=token)).json()
    app = App(begun["secret"], town.clock)
    assert (await portal.api("second-factor/totp/confirm", {"code": app.code()}, token=token)).status == 200
    return app


async def test_a_passkey_does_not_make_the_password_ask_for_more(portal: Portal, town: Town, phone: Phone) -> None:
    await with_passkey(portal, town, phone)
    assert "access_token" in await tokens_of(portal)


async def test_whoever_has_an_app_may_use_a_passkey_and_no_code(portal: Portal, town: Town, phone: Phone) -> None:
    await with_passkey(portal, town, phone)
    await with_app(portal, town)
    half = await half_done(portal)
    assert half["methods"] == ["totp", "recovery_code", "passkey"]
    assert set(await (await phone.sign_in()).json()) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (await sign_in_page(portal)).headers["Location"].startswith("/riverside/second-factor")
    page = await text(portal, "second-factor")
    assert "Enter your code" in page
    assert "Sign in with a passkey" in page
    question = await asked_by_page(portal)
    form = {"handle": question["handle"], "credential": json.dumps(phone.key.get(question["options"]))}
    assert (await portal.post("/riverside/sign-in/passkey", form)).status == 303
    assert "portico_portal_second_step_riverside" not in portal.cookies()
    assert (await portal.get("/riverside/passkeys")).status == 200


async def test_a_passkey_is_enough_where_the_agency_asks_for_a_second_step(
    portal: Portal, town: Town, phone: Phone
) -> None:
    login = await town.own(representative=True)
    await phone.add((await tokens_of(portal))["access_token"])
    await town.rows("update accounts.agencies set second_factor_of_representatives = true")
    half = await half_done(portal)
    assert (half["methods"], half["set_up_required"]) == (["passkey"], False)
    body = {"second_factor_token": half["second_factor_token"]}
    refused = await portal.api("token/second-factor/totp", body)
    assert refused.status == 401, "the password alone must not put an app in its place"
    assert (await portal.api("token/second-factor", {**body, "code": "000000"})).status == 401
    await sign_in_page(portal)
    page = await text(portal, "second-factor")
    assert "Use your passkey" in page
    assert "<p data-passkey-missing>This browser cannot use it here." in page, "for browsers without a script alone"
    assert 'name="code"' not in page
    assert (await phone.sign_in()).status == 200
    await staff_factors.reset_of_login(
        town.work, town.credentials, actor=town.staff, login_id=login.id, reason="Lost the phone"
    )
    assert (await half_done(portal))["set_up_required"] is True


async def test_staff_remove_the_passkeys_of_a_lost_device(portal: Portal, town: Town, phone: Phone) -> None:
    login, added = await with_passkey(portal, town, phone)
    await staff_factors.reset_of_login(
        town.work, town.credentials, actor=town.staff, login_id=login.id, reason="Lost the phone"
    )
    assert (await phone.sign_in()).status == 401
    assert (await portal.get_api("me", token=added["tokens"]["access_token"])).status == 401
    assert await town.rows("select id from accounts.passkeys") == []


# One's own passkeys


async def test_a_passkey_is_added_with_the_password_and_listed(portal: Portal, town: Town, phone: Phone) -> None:
    login = await town.own()
    tokens = await tokens_of(portal)
    other = await tokens_of(portal)
    added = await phone.add(tokens["access_token"])
    assert added["passkey"]["name"] == "My phone"
    assert (added["passkey"]["last_used_at"], added["passkey"]["backed_up"]) == (None, False)
    assert (await portal.api("token/refresh", {"refresh_token": tokens["refresh_token"]})).status == 401
    assert (await portal.api("token/refresh", {"refresh_token": added["tokens"]["refresh_token"]})).status == 200
    assert (await portal.get_api("me", token=other["access_token"])).status == 200, "other sessions stay"
    listed = await (await portal.get_api("passkeys", token=tokens["access_token"])).json()
    assert listed == {"items": [added["passkey"]]}
    assert ("portal_login.passkey_added", {"username": "cmalek", "passkey": "My phone"}) in await town.events()
    assert await town.mailed(login, "passkey_changed")


async def test_the_current_password_is_asked_for_ten_times(portal: Portal, town: Town) -> None:
    await town.own()
    token = (await tokens_of(portal))["access_token"]
    for _ in range(FAILURES - 1):
        answer = await portal.api("passkeys/options", {"current_password": "wrong"}, token=token)
        assert answer.status == 422
        assert (await answer.json())["errors"][0]["field"] == "current_password"
    assert (await portal.api("passkeys/options", {"current_password": "wrong"}, token=token)).status == 401
    assert (await portal.get_api("me", token=token)).status == 401
    assert await last(town) == ("portal_session.ended", {"username": "cmalek", "reason": "revoked"})


async def test_a_passkey_is_added_once_and_only_in_the_session_that_asked(
    portal: Portal, town: Town, phone: Phone, clock: FakeClock
) -> None:
    await town.own()
    tokens = await tokens_of(portal)
    mine, elsewhere = tokens["access_token"], (await tokens_of(portal))["access_token"]
    question = await phone.begin(mine)
    assert (await phone.finish(elsewhere, question)).status == 422
    assert (await phone.finish(mine, question)).status == 422, "it was tried"
    question = await phone.begin(mine)
    clock.advance(minutes=5)
    again = await portal.api("token/refresh", {"refresh_token": tokens["refresh_token"]})
    mine = (await again.json())["access_token"]
    answer = await phone.finish(mine, question)
    assert answer.status == 422
    assert (await answer.json())["errors"][0]["field"] == "handle"
    question = await phone.begin(mine)
    assert (await phone.finish(mine, question)).status == 201
    assert (await phone.finish(mine, question)).status == 422
    sign_in = await phone.ask()
    sign_in["options"] |= question["options"]
    assert (await phone.finish(mine, sign_in)).status == 422, "a question for a sign-in adds nothing"


async def test_a_passkey_that_is_wrong_or_there_already_is_not_added(portal: Portal, town: Town, phone: Phone) -> None:
    await town.own()
    token = (await tokens_of(portal))["access_token"]
    for wrong in ({"origin": "http://evil.example"}, {"verifies": False}, {"rp_id": "evil.example"}):
        other = Phone(portal, replace(phone.key, **wrong))
        answer = await other.finish(token, await other.begin(token))
        assert answer.status == 422, wrong
        assert (await answer.json())["errors"][0]["field"] == "credential"
    await phone.add(token)
    question = await phone.begin(token)
    assert len(question["options"]["excludeCredentials"]) == 1
    assert (await phone.finish(token, question)).status == 422
    assert len(await town.rows("select id from accounts.passkeys")) == 1


async def test_ten_are_enough(portal: Portal, town: Town) -> None:
    await town.own()
    token = (await tokens_of(portal))["access_token"]
    early = Phone(portal)
    question = await early.begin(token)
    for number in range(passkeys.MOST):
        await Phone(portal).add(token, f"Key {number}")
    answer = await portal.api("passkeys/options", {"current_password": OWN_PASSWORD}, token=token)
    assert (answer.status, (await answer.json())["type"]) == (409, "/problems/too-many-passkeys")
    assert (await early.finish(token, question)).status == 409


async def test_a_passkey_is_renamed_by_its_owner_alone(portal: Portal, town: Town, phone: Phone) -> None:
    _, added = await with_passkey(portal, town, phone)
    await town.own("jdoe", email="jdoe@example.com")
    path = f"/api/v1/passkeys/{added['passkey']['id']}"
    mine = {"Authorization": f"Bearer {added['tokens']['access_token']}"}
    theirs = {"Authorization": f"Bearer {(await tokens_of(portal, username='jdoe'))['access_token']}"}
    assert (await portal.http.patch(path, json={"name": "Theirs"}, headers=theirs)).status == 404
    answer = await portal.http.patch(path, json={"name": "Old phone"}, headers=mine)
    assert (await answer.json())["name"] == "Old phone"
    renamed = {"username": "cmalek", "passkey": "Old phone", "old": "My phone"}
    assert await last(town) == ("portal_login.passkey_renamed", renamed)
    before = len(await town.events())
    await portal.http.patch(path, json={"name": "Old phone"}, headers=mine)
    assert len(await town.events()) == before
    for name in ("", "x" * 61, "a\nb"):
        assert (await portal.http.patch(path, json={"name": name}, headers=mine)).status == 422, name
    removed = await portal.http.post(f"{path}/remove", json={"current_password": OWN_PASSWORD}, headers=theirs)
    assert removed.status == 404


async def test_a_passkey_that_is_removed_opens_nothing_and_ends_other_sessions(
    portal: Portal, town: Town, phone: Phone
) -> None:
    login, added = await with_passkey(portal, town, phone)
    opened = (await (await phone.sign_in()).json())["access_token"]
    mine, path = added["tokens"], f"passkeys/{added['passkey']['id']}/remove"
    wrong = await portal.api(path, {"current_password": "wrong"}, token=mine["access_token"])
    assert wrong.status == 422
    town.clock.advance(seconds=1)
    answer = await portal.api(path, {"current_password": OWN_PASSWORD}, token=mine["access_token"])
    assert answer.status == 200
    assert (await portal.get_api("me", token=opened)).status == 401
    assert (await portal.get_api("me", token=(await answer.json())["access_token"])).status == 200
    assert (await portal.api("token/refresh", {"refresh_token": mine["refresh_token"]})).status == 401
    assert (await phone.sign_in()).status == 401
    removed = {"username": "cmalek", "passkey": "My phone", "reason": "own"}
    assert ("portal_login.passkey_removed", removed) in await town.events()
    mails = await town.rows("select context from mail.deliveries where mail = 'passkey_changed' order by id")
    assert len(mails) == 2
    assert await town.mailed(login, "passkey_changed")
    assert (await portal.api(path, {"current_password": OWN_PASSWORD}, token=mine["access_token"])).status == 404


async def test_whoever_says_that_it_was_not_them_removes_all_passkeys(portal: Portal, town: Town, phone: Phone) -> None:
    login, added = await with_passkey(portal, town, phone)
    token = added["tokens"]["access_token"]
    waiting = Phone(portal)
    question = await waiting.begin(token)
    code = await town.mailed(login, "passkey_changed")
    assert (await portal.api("password/report", {"token": code})).status == 204
    removed = {"username": "cmalek", "passkey": "My phone", "reason": "reported"}
    assert ("portal_login.passkey_removed", removed) in await town.events()
    assert (await waiting.finish(token, question)).status == 401
    await town.change(login, reset_password=True)
    assert (await phone.sign_in()).status == 401, "it stays out when staff have let the owner in again"
    assert await town.rows("select id from accounts.passkeys") == []


async def test_a_new_password_keeps_passkeys(portal: Portal, town: Town, phone: Phone) -> None:
    _, added = await with_passkey(portal, town, phone)
    body = {"current_password": OWN_PASSWORD, "new_password": NEW_PASSWORD}
    assert (await portal.api("password", body, token=added["tokens"]["access_token"])).status == 200
    assert (await phone.sign_in()).status == 200


async def test_questions_that_nobody_answers_are_swept(
    portal: Portal, town: Town, phone: Phone, clock: FakeClock
) -> None:
    await town.own()
    await phone.ask()
    async with portal.app[RELAY_POOL].transaction(None) as conn:
        await passkeys.forget_challenges(conn, clock())
    assert len(await town.rows("select digest from accounts.passkey_challenges")) == 1
    clock.advance(minutes=5)
    async with portal.app[RELAY_POOL].transaction(None) as conn:
        await passkeys.forget_challenges(conn, clock())
    assert await town.rows("select digest from accounts.passkey_challenges") == []


# Pages


def _value(page: str, name: str) -> str:
    return html.unescape(page.partition(f'name="{name}" value="')[2].partition('"')[0])


def _options(page: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(html.unescape(page.partition("data-options='")[2].partition("'")[0]))
    return found


async def text(portal: Portal, path: str) -> str:
    return await (await portal.get(f"/riverside/{path}")).text()


async def begun(portal: Portal, password: str = OWN_PASSWORD, name: str = "My phone") -> ClientResponse:
    token = csrf_of(await text(portal, "passkeys"))
    form = {"name": name, "current_password": password, "csrf_token": token}
    return await portal.post("/riverside/passkeys/new", form)


async def added_by_page(portal: Portal, phone: Phone) -> ClientResponse:
    page = await (await begun(portal)).text()
    credential = json.dumps(phone.key.create(_options(page)))
    form = {name: _value(page, name) for name in ("name", "handle")} | {"csrf_token": csrf_of(page)}
    return await portal.post("/riverside/passkeys", {**form, "credential": credential})


async def asked_by_page(portal: Portal) -> dict[str, Any]:
    headers = {"Sec-Fetch-Site": "same-origin", "Accept": "application/json"}
    answer = await portal.http.post("/riverside/sign-in/passkey/options", headers=headers)
    assert answer.status == 200
    question: dict[str, Any] = await answer.json()
    return question


async def page_with_passkey(portal: Portal, town: Town, phone: Phone) -> None:
    await town.own()
    await sign_in_page(portal)
    assert (await added_by_page(portal, phone)).status == 303


async def test_the_pages_add_a_passkey_and_change_the_cookie(portal: Portal, town: Town, phone: Phone) -> None:
    login = await town.own()
    await sign_in_page(portal)
    before = portal.cookies()["portico_portal_riverside"]
    assert "You have no passkeys." in await text(portal, "passkeys")
    done = await added_by_page(portal, phone)
    assert (done.status, done.headers["Location"]) == (303, "/riverside/passkeys?added=1")
    assert portal.cookies()["portico_portal_riverside"] != before
    page = await text(portal, "passkeys?added=1")
    assert "The passkey was added." in page
    assert "My phone" in page
    assert "Never" in page
    assert await town.mailed(login, "passkey_changed")
    portal.forget_cookies()
    portal.http.session.cookie_jar.update_cookies({"portico_portal_riverside": before}, portal.http.make_url("/"))
    assert (await portal.get("/riverside/passkeys")).status == 303, "the cookie from before is no good"


async def test_the_sign_in_page_takes_a_passkey(portal: Portal, town: Town, phone: Phone) -> None:
    await page_with_passkey(portal, town, phone)
    portal.forget_cookies()
    page = await text(portal, "sign-in?next=/riverside/activity")
    assert "Sign in with a passkey" in page
    question = await asked_by_page(portal)
    form = {"handle": question["handle"], "credential": json.dumps(phone.key.get(question["options"]))}
    town.clock.advance(seconds=1)
    done = await portal.post("/riverside/sign-in/passkey", {**form, "next": "/riverside/activity"})
    assert (done.status, done.headers["Location"]) == (303, "/riverside/activity")
    assert {"portico_portal_riverside", "portico_portal_browser_riverside"} <= set(portal.cookies())
    assert (await portal.get("/riverside/passkeys")).status == 200
    assert await last(town) == ("portal_session.started", {"username": "cmalek", "how": "passkey"})
    portal.forget_cookies()
    again = await portal.post("/riverside/sign-in/passkey", form)
    assert again.status == 401
    refused = await again.text()
    assert "That passkey is not right, or this login cannot be used." in refused
    for broken in ("", "nonsense", "[]", "[" * 5000, json.dumps({"id": "x"})):
        answer = await portal.post("/riverside/sign-in/passkey", {**form, "credential": broken})
        assert answer.status == 401, broken
        assert await answer.text() == refused


async def test_other_sites_neither_ask_nor_sign_in(portal: Portal, town: Town, phone: Phone) -> None:
    await page_with_passkey(portal, town, phone)
    portal.forget_cookies()
    question = await asked_by_page(portal)
    form = {"handle": question["handle"], "credential": json.dumps(phone.key.get(question["options"]))}
    for site in ("cross-site", "same-site"):
        headers = {"Sec-Fetch-Site": site}
        assert (await portal.post("/riverside/sign-in/passkey/options", {}, headers=headers)).status == 403
        assert (await portal.post("/riverside/sign-in/passkey", form, headers=headers)).status == 403
    assert (await portal.post("/riverside/sign-in/passkey", form)).status == 303


async def test_forms_need_the_password_and_their_own_token(portal: Portal, town: Town, phone: Phone) -> None:
    await page_with_passkey(portal, town, phone)
    wrong = await begun(portal, "wrong")
    assert wrong.status == 422
    assert "This is not your current password." in await wrong.text()
    assert 'value="My phone"' in await wrong.text()
    assert (await begun(portal, name="")).status == 422
    [row] = await town.rows("select id from accounts.passkeys")
    for path in ("", "/new", f"/{row['id']}/rename", f"/{row['id']}/remove"):
        form = {"name": "x", "current_password": OWN_PASSWORD, "handle": "x", "credential": "{}", "csrf_token": "x"}
        assert (await portal.post(f"/riverside/passkeys{path}", form)).status == 403, path
    page = await (await begun(portal)).text()
    form = {"name": "x", "handle": _value(page, "handle"), "credential": "{}", "csrf_token": csrf_of(page)}
    failed = await portal.post("/riverside/passkeys", form)
    assert failed.status == 422
    assert "This passkey could not be added." in await failed.text()


async def test_the_page_of_one_renames_and_removes(portal: Portal, town: Town, phone: Phone) -> None:
    await page_with_passkey(portal, town, phone)
    other = (await tokens_of(portal))["access_token"]
    [row] = await town.rows("select id from accounts.passkeys")
    path = f"/riverside/passkeys/{row['id']}"
    token = csrf_of(await text(portal, f"passkeys/{row['id']}"))
    assert (await portal.post(f"{path}/rename", {"name": "", "csrf_token": token})).status == 422
    done = await portal.post(f"{path}/rename", {"name": "<b>Old</b>", "csrf_token": token})
    assert done.headers["Location"] == "/riverside/passkeys?renamed=1"
    page = await text(portal, "passkeys?renamed=1")
    assert "The passkey has another name now." in page
    assert "&lt;b&gt;Old&lt;/b&gt;" in page
    wrong = await portal.post(f"{path}/remove", {"current_password": "wrong", "csrf_token": token})
    assert (wrong.status, "This is not your current password." in await wrong.text()) == (422, True)
    before = portal.cookies()["portico_portal_riverside"]
    done = await portal.post(f"{path}/remove", {"current_password": OWN_PASSWORD, "csrf_token": token})
    assert done.headers["Location"] == "/riverside/passkeys?removed=1"
    assert portal.cookies()["portico_portal_riverside"] != before
    assert "The passkey was removed." in await text(portal, "passkeys?removed=1")
    assert (await portal.get_api("me", token=other)).status == 401, "it may have opened the others"
    assert (await portal.get(path)).status == 404


async def test_where_a_form_is_answered_there_is_a_page_without_it_too(
    portal: Portal, town: Town, phone: Phone
) -> None:
    await page_with_passkey(portal, town, phone)
    [row] = await town.rows("select id from accounts.passkeys")
    for path, words in (
        ("passkeys/new", "Add a passkey"),
        (f"passkeys/{row['id']}/rename", "Passkey: "),
        (f"passkeys/{row['id']}/remove", "Remove this passkey"),
        ("sign-in-security/app/confirm", "You will need an authenticator app"),
    ):
        assert words in await text(portal, path), path
    portal.http.session.cookie_jar.clear()
    assert "Forgot your password?" in await text(portal, "sign-in/passkey")


async def test_with_ten_the_page_offers_no_further_one(portal: Portal, town: Town) -> None:
    await town.own()
    token = (await tokens_of(portal))["access_token"]
    for number in range(passkeys.MOST):
        await Phone(portal).add(token, f"Key {number}")
    await sign_in_page(portal)
    page = await text(portal, "passkeys")
    assert "You have ten passkeys." in page
    assert "passkeys/new" not in page


async def test_too_many_failures_ask_to_wait(portal: Portal, town: Town) -> None:
    statuses = []
    for _ in range(31):
        answer = await portal.post("/riverside/sign-in/passkey", {"handle": "x", "credential": "{}"})
        statuses.append(answer.status)
    assert statuses == [401] * 30 + [429]
    assert int(answer.headers["Retry-After"]) > 0
